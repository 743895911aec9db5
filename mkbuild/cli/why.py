"""``mkbuild why``: what changed, and how that reaches an image."""

import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import make_request
from mkbuild.progress import text

if TYPE_CHECKING:
    from mkbuild.engine.why import Answer, Reason
    from mkbuild.plan.sides import Step

_MOST = 5
"""Lines of one kind that are shown without ``-v``."""


@click.command(cls=Command, short_help="Say what changed, and how that reaches an image.")
@click.argument("selection", nargs=-1, required=True, shell_complete=complete_selection)
@option("--json", "as_json", group="What is shown", is_flag=True, help="As JSON.")
@flags.against_flag
@flags.input_flags
@flags.cache_flags
@flags.lone_flags
@common_options
def command(selection: tuple[str, ...], as_json: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Say which file, argument or base changed since an image was last built, and its way there.

    The first change is shown with the steps that lead from it to the image, others in a line
    each; -v shows all in full.
    """
    common = take_common(params)
    request = make_request(common, selection, params, os.environ)
    from mkbuild.engine.why import document_of, why

    answers = why(request, common.reporter())
    if as_json:
        click.echo(json.dumps(document_of(answers), indent=2))
        return
    for number, answer in enumerate(answers):
        if number and (answer.reasons or answers[number - 1].reasons):
            click.echo()
        for line in lines(answer, verbose=common.verbose):
            click.echo(line)


def lines(answer: "Answer", *, verbose: bool) -> Iterator[str]:
    """Write an answer, for 80 columns."""
    yield from text.wrap(_head(answer), "")
    most = len(answer.reasons) if verbose else 1
    for reason in answer.reasons[:most]:
        yield from _in_full(reason, answer.label, verbose=verbose)
    short = [reason.changes[0] for reason in answer.reasons[most:]]
    yield from _some(short, "changes", verbose=verbose)
    yield from _some(answer.settings, "changes", verbose=verbose)
    missing = [_place(step, answer.label) for step in answer.missing]
    if missing and answer.settings:
        yield "  besides, these are in no cache any more:"
    yield from _some(missing, "steps", verbose=verbose)


def _head(answer: "Answer") -> str:
    label, past = answer.label, answer.past
    if past is None:
        return f"{label} was not built here before: all its steps are new"
    what = f"{past.name} ({past.commit[:12]})" if past.kind == "ref" else f"run {past.name}"
    match answer.verdict:
        case "same":
            return f"{label} is up to date: the same as in {what}"
        case "not-cached":
            return f"{label} is the same as in {what}, and in no cache any more:"
        case "settings":
            return f"{label} differs from {what}, but no step has to run:"
        case "steps":
            return f"{label} differs from {what}:"
        case "new":
            return f"{label} was not there in {what}"


def _in_full(reason: "Reason", label: str, *, verbose: bool) -> Iterator[str]:
    yield from _some(reason.changes, "changes", verbose=verbose)
    for step in reason.chain:
        yield from text.wrap(_place(step, label), "    ")
    yield f"    → {label}"


def _place(step: "Step", label: str) -> str:
    own = "" if step.target == label else f"{step.target} "
    return f"{step.location}  {own}{text.one_line(step.title)}"


def _some(lines: "tuple[str, ...] | list[str]", noun: str, *, verbose: bool) -> Iterator[str]:
    most = len(lines) if verbose or len(lines) == _MOST + 1 else _MOST
    for line in lines[:most]:
        yield from text.wrap(line, "  ")
    if lines[most:]:
        yield f"  and {len(lines) - most} {noun} more (-v shows them)"
