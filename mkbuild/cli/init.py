"""``mkbuild init``: a first BUILD.yaml, from Dockerfiles or from another tool's file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.errors import UsageError

_FROM = "What it is made from"


@click.command(cls=Command)
@click.argument("source", required=False)
@option(
    "--from",
    "tool",
    group=_FROM,
    type=click.Choice(["compose", "bake", "skaffold"]),
    help="Another tool's file: SOURCE, or of its usual name.",
)
@option("--force", group=_FROM, is_flag=True, help="Write over a build file that is there.")
@common_options
def command(source: str | None, tool: str | None, force: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Write BUILD.yaml: of the Dockerfiles found below this directory, or of another tool's file.

    Contexts are guessed from what the Dockerfiles copy.
    """
    from mkbuild.engine.draft import scan
    from mkbuild.engine.foreignfiles import READERS
    from mkbuild.engine.request import WorkspaceInput
    from mkbuild.engine.workspace import BUILD_FILE, load_workspace
    from mkbuild.engine.writing import write_text

    common = take_common(params)
    path = common.directory / (common.file or BUILD_FILE)
    if path.exists() and not force:
        raise UsageError(f"{path} is there already", hint="--force writes over it")
    if tool is None:
        draft = scan(common.directory / (source or "."))
    else:
        read, names = READERS[tool]
        draft = read(_find(common.directory, source, names))
    if not draft.images:
        hint = (
            "write a Dockerfile first" if tool is None else f"no image is built by its {tool} file"
        )
        raise UsageError("there is nothing to build", hint=hint)
    before = path.read_bytes() if path.exists() else None
    write_text(path, draft.render())
    try:
        load_workspace(WorkspaceInput((), file=str(path)), common.directory)
    except Exception:
        if before is None:
            path.unlink()
        else:
            write_text(path, before)
        raise
    for note in draft.notes:
        click.echo(f"warning: {note}", err=True)
    click.echo(f"{path.name}: {', '.join(draft.images)}")


def _find(directory: Path, source: str | None, names: Sequence[str]) -> Path:
    if source is not None:
        return directory / source
    for name in names:
        if (directory / name).is_file():
            return directory / name
    raise UsageError(f"there is none of {', '.join(names)} here", hint="name the file")
