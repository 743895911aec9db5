"""From the place where a command was started to its workspace."""

import os
from pathlib import Path

from mkbuild.buildfile.target import Workspace
from mkbuild.cli.files import DiskFiles, Git
from mkbuild.engine.request import WorkspaceInput
from mkbuild.errors import UsageError

NAME = "BUILD.yaml"


def find(directory: Path) -> Path:
    """Return the root build file for a directory: the nearest one above, or the one including it.

    Raises UsageError where there is none.
    """
    found: Path | None = None
    for place in (directory, *directory.parents):
        candidate = place / NAME
        if candidate.is_file() and (found is None or _includes(candidate, found)):
            found = candidate
    if found is None:
        raise UsageError(
            f"there is no {NAME} in {directory} or above it",
            hint="write one, name one with -f, or build a lone Dockerfile: mkbuild build ./DIR",
        )
    return found


def load_workspace(wanted: WorkspaceInput, directory: Path) -> Workspace:
    """Load the build files; raises UserError with everything that is wrong in them."""
    from mkbuild.buildfile.load import load

    root = Path(wanted.file) if wanted.file else find(directory)
    return load(
        str(root),
        DiskFiles(),
        env=os.environ,
        git=Git(root.parent),
        variables=wanted.variables,
        profiles=wanted.profiles,
        overrides=wanted.overrides,
    )


def _includes(outer: Path, inner: Path) -> bool:
    from mkbuild.buildfile.include import Gatherer
    from mkbuild.buildfile.problems import Problems

    sources = Gatherer(DiskFiles(), str(outer), Problems()).gather()
    return any(source.file == str(inner) for source in sources)
