"""``build --print`` and ``--list``: what would be built, as it is declared once all is resolved."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import click

from mkbuild.cli.asking import Question
from mkbuild.engine.request import BuildRequest, WorkspaceInput
from mkbuild.events import Reporter


def print_targets(
    request: BuildRequest, reporter: Callable[[], Reporter], *, as_json: bool
) -> None:
    """Print the selected targets: their labels, or everything about them; raises UserError."""
    from mkbuild.engine.workspace import open_workspace
    from mkbuild.graph.select import select

    selected = open_workspace(request)
    question = Question(selected.workspace, Path(request.directory))
    labels = select(selected.selection, selected.workspace, lambda: question.graph)
    if isinstance(request.input, WorkspaceInput) and request.input.since is not None:
        from mkbuild.engine.since import ask

        labels = ask(request, reporter(), labels)
    if not as_json:
        for label in labels:
            click.echo(label)
        return
    targets = {label: plain(selected.workspace.targets[label]) for label in labels}
    click.echo(json.dumps({"target": targets}, indent=2))


def plain(value: object) -> object:
    """Return a resolved value as what JSON can hold; what is unset is left out."""
    if dataclasses.is_dataclass(value):
        members = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        kept = {name: plain(item) for name, item in members.items()}
        return {name: item for name, item in kept.items() if item not in (None, "", [], {})}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value
