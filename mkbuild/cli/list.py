"""``mkbuild list``: targets and groups."""

import json
from typing import Any

import click

from mkbuild.cli.asking import Question, ask, complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import workspace_flags
from mkbuild.cli.options import Command, option

_SHOWN = "What is shown"


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option("--groups", group=_SHOWN, is_flag=True, help="The groups instead, with their members.")
@option("--json", "as_json", group=_SHOWN, is_flag=True, help="As JSON.")
@workspace_flags
@common_options
def command(selection: tuple[str, ...], groups: bool, as_json: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """List the targets of a selection, all by default: label, file, tags."""
    question = ask(take_common(params), params)
    labels = sorted(question.select(selection))
    shown = _groups(question, labels) if groups else _targets(question, labels)
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return
    for row in _columns([_row(item) for item in shown]):
        click.echo(row)


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
        members = question.select((f"@{name}",))
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
