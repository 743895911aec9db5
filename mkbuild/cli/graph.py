"""``mkbuild graph``: draws the graph of targets, or proves one of its edges."""

from itertools import pairwise
from typing import Any, Literal

import click

from mkbuild.cli.asking import Question, ask, complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import workspace_flags
from mkbuild.cli.options import Command, option
from mkbuild.errors import SelectionError

_SHOWN = "What is shown"
Format = Literal["text", "dot", "mermaid", "json"]


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option(
    "--format",
    "how",
    group=_SHOWN,
    type=click.Choice(["text", "dot", "mermaid", "json"]),
    default="text",
    help="text: what each target needs, and where it says so.",
)
@option(
    "--why-edge",
    group=_SHOWN,
    nargs=2,
    metavar="A B",
    help="Prove that A needs B.",
)
@workspace_flags
@common_options
def command(
    selection: tuple[str, ...], how: Format, why_edge: tuple[str, str] | None, **params: Any
) -> None:
    """Draw what a selection (all by default) and its dependencies need."""
    question = ask(take_common(params), params)
    if why_edge:
        for line in _why(question, *why_edge):
            click.echo(line)
        return
    labels = question.graph.dependencies(question.select(selection))
    if how == "text":
        for line in _text(question, labels):
            click.echo(line)
        return
    from mkbuild.graph.render import render

    click.echo(render(question.graph, how, labels), nl=False)


def _text(question: Question, labels: set[str]) -> list[str]:
    lines: list[str] = []
    for label in question.graph.order():
        if label not in labels:
            continue
        lines.append(label)
        for other in question.graph.needs(label):
            proof = question.graph.why_edge(label, other)[0]
            lines.append(f"  needs {other}: {proof}")
    return lines


def _why(question: Question, source: str, target: str) -> list[str]:
    first, last = (_one(question, name) for name in (source, target))
    proofs = question.graph.why_edge(first, last)
    if proofs:
        return [str(proof) for proof in proofs]
    path = question.graph.some_path(first, last)
    if not path:
        raise SelectionError(f"{first} does not need {last}")
    steps = pairwise(path)
    return [
        f"{left} needs {right}: {question.graph.why_edge(left, right)[0]}" for left, right in steps
    ]


def _one(question: Question, name: str) -> str:
    labels = question.select((name,))
    if len(labels) != 1:
        raise SelectionError(f"{name} means {len(labels)} targets, not one")
    return labels[0]
