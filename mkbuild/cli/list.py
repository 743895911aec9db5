"""``mkbuild list``: targets and groups."""

import json
from typing import Any

import click

from mkbuild.cli.asking import Question, affected, ask, complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import since_flags, workspace_flags
from mkbuild.cli.options import Command, option
from mkbuild.cli.writing import write_rows
from mkbuild.errors import SelectionError

_SHOWN = "What is shown"


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option("--groups", group=_SHOWN, is_flag=True, help="The groups instead, with their members.")
@option("--json", "as_json", group=_SHOWN, is_flag=True, help="As JSON.")
@option(
    "--format",
    "form",
    group=_SHOWN,
    type=click.Choice(["github"]),
    help="github: a matrix of GitHub Actions, in waves of what can be built at once.",
)
@since_flags
@workspace_flags
@common_options
def command(
    selection: tuple[str, ...],
    groups: bool,  # noqa: FBT001 - click's way
    as_json: bool,  # noqa: FBT001 - click's way
    form: str | None,
    **params: Any,
) -> None:
    """List the targets of a selection, all by default: label, file, tags."""
    common = take_common(params)
    question = ask(common, params)
    labels = sorted(affected(common, params, question.select(selection)))
    if form == "github":
        click.echo(json.dumps(_matrix(question, labels), separators=(",", ":")))
        return
    shown = _groups(question, labels) if groups else _targets(question, labels)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    write_rows(_columns([_row(item) for item in shown]))


_LARGEST = 256
"""Jobs that GitHub makes of one matrix."""


def _matrix(question: Question, labels: list[str]) -> dict[str, object]:
    """Return a matrix for each wave; one that GitHub would refuse becomes several."""
    waves = []
    for wave in question.graph.waves(labels) if labels else ():
        targets = [question.workspace.targets[label] for label in wave]
        jobs = [{"target": t.label, "platforms": ",".join(t.platforms)} for t in targets]
        waves += [jobs[at : at + _LARGEST] for at in range(0, len(jobs), _LARGEST)]
    return {"waves": [{"include": jobs} for jobs in waves]}


def _targets(question: Question, labels: list[str]) -> list[dict[str, object]]:
    targets = [question.workspace.targets[label] for label in labels]
    return [
        {
            "target": target.label,
            "location": f"{question.place(target.location.file)}:{target.location.line}",
            "tags": list(target.tags),
            "groups": list(target.groups),
        }
        for target in targets
    ]


def _groups(question: Question, labels: list[str]) -> list[dict[str, object]]:
    wanted = set(labels)
    found: list[dict[str, object]] = []
    for name in sorted(question.workspace.groups):
        try:
            members = question.select((f"@{name}",))
        except SelectionError:  # it holds nothing, which only matters to who asks for it
            continue
        if wanted.intersection(members):
            found.append({"group": f"@{name}", "targets": list(members)})
    return found


def _row(item: dict[str, object]) -> tuple[str, ...]:
    cells = [" ".join(value) if isinstance(value, list) else str(value) for value in item.values()]
    return tuple(cells[:3])


def _columns(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
