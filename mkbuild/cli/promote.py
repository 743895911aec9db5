"""``mkbuild promote``: finished images under another tag, in another registry; nothing is built."""

import os
from pathlib import Path
from typing import Any

import click

from mkbuild.cli import flags, values
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option

_WHERE = "Where they go"


@click.command(cls=Command)
@click.argument("result", type=click.Path(dir_okay=False))
@option("--tag", "-t", group=_WHERE, required=True, metavar="TAG", help="Such as v1.2.")
@option("--to", group=_WHERE, metavar="REGISTRY[/PREFIX]", help="Not said: where they are.")
@option("--registries", group=_WHERE, metavar="FILE", help="Registries, and how to reach them.")
@flags.workspace_flags
@common_options
def command(result: str, tag: str, to: str | None, **params: Any) -> None:
    """Let TAG stand for the images of RESULT, a file that build --metadata-file wrote.

    All is copied by digest, and tags move last. To roll back, promote an older result.
    """
    from mkbuild.buildfile.target import Workspace
    from mkbuild.engine.promote import promote
    from mkbuild.engine.request import Sources, WorkspaceInput
    from mkbuild.engine.workspace import BUILD_FILE, load_workspace

    common = take_common(params)
    registries = params.pop("registries")
    wanted = WorkspaceInput(
        (),
        file=str(common.directory / common.file) if common.file else None,
        variables=values.pairs("--var", params.pop("var")),
        overrides=tuple(params.pop("set")),
        profiles=tuple(params.pop("profile")),
    )
    here = (common.directory, *common.directory.parents)
    declared = wanted.file is not None or any((place / BUILD_FILE).is_file() for place in here)
    moved = promote(
        Path(common.directory / result),
        tag,
        to,
        storage=common.storage,
        workspace=load_workspace(wanted, common.directory)
        if declared
        else Workspace(root=str(common.directory)),
        sources=Sources(registries=os.path.abspath(registries) if registries else None),  # noqa: PTH100
        reporter=common.reporter(),
    )
    unchanged = sum(not found.moved for found in moved)
    click.echo(f"{len(moved) - unchanged} tags moved, {unchanged} unchanged")
