"""``mkbuild fmt``: build files as they should look, with all that they say and every comment."""

import difflib
from pathlib import Path
from typing import Any

import click

from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.errors import ChecksFailedError, UsageError

_FMT = "What is done"


@click.command(cls=Command)
@click.argument("files", nargs=-1, type=click.Path(dir_okay=False))
@option("--check", "only_check", group=_FMT, is_flag=True, help="Change nothing; exit 3 if needed.")
@option("--diff", "show_diff", group=_FMT, is_flag=True, help="Show what changes.")
@common_options
def command(files: tuple[str, ...], only_check: bool, show_diff: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Format build files: those named, or all of the workspace.

    Members of the document are put in order and blanks trimmed; what a file says never changes.
    """
    from mkbuild.buildfile.layout import formatted
    from mkbuild.engine.writing import write_text

    common = take_common(params)
    changed = []
    for path in [common.directory / file for file in files] or _all(common.directory, common.file):
        before = _read(path)
        after = formatted(before, str(path))
        if before == after:
            continue
        changed.append(path)
        if show_diff:
            lines = difflib.unified_diff(
                before.splitlines(keepends=True),
                after.splitlines(keepends=True),
                str(path),
                str(path),
            )
            click.echo("".join(lines), nl=False)
        if not only_check:
            write_text(path, after)
            click.echo(f"formatted {path}")
    if only_check and changed:
        names = ", ".join(path.name for path in changed)
        raise ChecksFailedError(f"not formatted: {names}", hint="mkbuild fmt does it")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


def _all(directory: Path, file: str | None) -> list[Path]:
    from mkbuild.engine.request import WorkspaceInput
    from mkbuild.engine.workspace import load_workspace

    wanted = WorkspaceInput((), file=str(directory / file) if file else None)
    return [Path(path) for path in load_workspace(wanted, directory).evidence.files]
