"""``mkbuild diff``: compares two images."""

from typing import Any

import click

from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import registry_flags
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import take_sources


@click.command(cls=Command)
@click.argument("first", metavar="IMAGE")
@click.argument("second", metavar="IMAGE")
@option("--ignore-mod-time", group="What counts", is_flag=True, help="Times do not.")
@registry_flags
@common_options
def command(first: str, second: str, ignore_mod_time: bool, **params: Any) -> int:  # noqa: FBT001 - click's way
    """Say in what two images differ: files and config; exit status 1 where they do.

    An image is a name in a registry, or a docker-save archive.
    """
    common = take_common(params)
    from mkbuild.engine.transfers import Transfers

    sources = take_sources(params, common.directory)
    with Transfers(common.storage, sources, common.reporter()) as transfers:
        lines = transfers.diff(first, second, ignore_times=ignore_mod_time)
    for line in lines:
        click.echo(line)
    return 1 if lines else 0
