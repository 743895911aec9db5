"""What the verbs that only ask share: the workspace, the graph, selections, completion."""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import values
from mkbuild.cli.common import Common
from mkbuild.cli.request import make_request
from mkbuild.engine.request import WorkspaceInput
from mkbuild.errors import NotYetError

if TYPE_CHECKING:
    from mkbuild.buildfile.target import GitContext, Target, Workspace
    from mkbuild.dockerfile.instructions import Dockerfile
    from mkbuild.engine.dockerfiles import Dockerfiles
    from mkbuild.graph.targets import TargetGraph


@dataclass(frozen=True)
class Question:
    """A workspace that is only asked about: nothing is built, no store is opened."""

    workspace: "Workspace"
    directory: Path

    @cached_property
    def dockerfiles(self) -> "Dockerfiles":
        """The Dockerfiles of its targets."""
        from mkbuild.engine.dockerfiles import Dockerfiles

        return Dockerfiles(self.directory, _no_checkout)

    @cached_property
    def graph(self) -> "TargetGraph":
        """The graph of all its targets."""
        from mkbuild.graph.targets import infer
        from mkbuild.oci.platform import host

        return infer(self.workspace, self.dockerfile, host(os.uname().machine))

    def dockerfile(self, target: "Target") -> "Dockerfile | None":
        """Return a target's Dockerfile; None in a git context, since asking fetches nothing."""
        from mkbuild.buildfile.target import GitContext

        remote = isinstance(target.context, GitContext) and target.dockerfile_inline is None
        return None if remote else self.dockerfiles.read(target)

    def select(self, selection: tuple[str, ...]) -> tuple[str, ...]:
        """Return the labels that a selection means; all where nothing is said."""
        from mkbuild.graph.select import select

        return select(selection or ("all",), self.workspace, lambda: self.graph)

    def place(self, file: str) -> str:
        """Show a file as it is seen from here."""
        return self.dockerfiles.display(Path(file))


def _no_checkout(context: "GitContext") -> Path:
    raise NotYetError(f"{context.url} is not read by a verb that only asks")


def ask(common: Common, params: dict[str, Any]) -> Question:
    """Load the workspace that a command is about; raises UserError."""
    from mkbuild.engine.workspace import load_workspace

    wanted = WorkspaceInput(
        (),
        file=str(common.directory / common.file) if common.file else None,
        variables=values.pairs("--var", params["var"]),
        overrides=tuple(params["set"]),
        profiles=tuple(params["profile"]),
    )
    return Question(load_workspace(wanted, common.directory), common.directory)


def affected(common: Common, params: dict[str, Any], labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return those labels that ``--since`` leaves; raises MkbuildError."""
    if params["since"] is None:
        return labels
    from mkbuild.engine.since import ask as ask_since

    return ask_since(make_request(common, (), params, os.environ), common.reporter(), labels)


def complete_selection(
    context: click.Context,
    _parameter: click.Parameter,
    incomplete: str,
) -> list[str]:
    """Offer targets and groups to a shell; nothing where the build files cannot be loaded."""
    from mkbuild.engine.workspace import load_workspace
    from mkbuild.errors import MkbuildError

    file = context.params.get("file")
    here = Path.cwd() / (context.params.get("directory") or "")
    try:
        workspace = load_workspace(WorkspaceInput((), str(here / file) if file else None), here)
    except (MkbuildError, OSError):
        return []  # a shell shows no errors while one types
    sign = incomplete[: len(incomplete) - len(incomplete.lstrip("!."))]
    names = ["all", *workspace.targets, *(f"@{group}" for group in workspace.groups)]
    return [sign + name for name in names if (sign + name).startswith(incomplete)]
