"""``mkbuild pull``: pulls an image, and unpacks its files."""

from typing import Any

import click

from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import RESULT, registry_flags
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import take_sources


@click.command(cls=Command)
@click.argument("name")
@option("--extract", group=RESULT, metavar="DIR", help="Unpack its files into a new directory.")
@registry_flags
@common_options
def command(name: str, extract: str | None, **params: Any) -> None:
    """Bring an image of a registry into the store; prints the digest of its manifest."""
    common = take_common(params)
    from mkbuild.engine.transfers import Transfers

    sources = take_sources(params, common.directory)
    with Transfers(common.storage, sources, common.reporter()) as transfers:
        click.echo(transfers.pull(name, common.directory / extract if extract else None))
