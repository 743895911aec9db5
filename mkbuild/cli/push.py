"""``mkbuild push``: pushes an image that was saved to a file, as Makisu's does."""

from typing import Any

import click

from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import RESULT, registry_flags
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import take_sources


@click.command(cls=Command)
@click.argument("archive", metavar="TAR")
@option("-t", "--tag", group=RESULT, multiple=True, metavar="NAME", help="Names of the image.")
@option("--push", group=RESULT, multiple=True, metavar="REGISTRY", help="Where to push.")
@option("--replica", group=RESULT, multiple=True, metavar="NAME", help="Push there as well.")
@registry_flags
@common_options
def command(archive: str, **params: Any) -> None:
    """Push the image in TAR (docker save, --dest, --output type=docker) to a registry.

    Without -t it goes by the names that the archive has; --push puts another registry into them.
    Prints the digest of its manifest.
    """
    common = take_common(params)
    from mkbuild.engine.request import Publishing
    from mkbuild.engine.transfers import Transfers

    publishing = Publishing(push=True, registries=params["push"], replicas=params["replica"])
    sources = take_sources(params, common.directory)
    with Transfers(common.storage, sources, common.reporter()) as transfers:
        digest = transfers.push(common.directory / archive, params["tag"], publishing)
    click.echo(digest)
