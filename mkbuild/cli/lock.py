"""``mkbuild lock``: pins what base images, URLs and git refs stand for."""

import os
from typing import Any

import click

from mkbuild.cli import flags
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import make_request

_LOCK = "The lock"


@click.command(cls=Command)
@option("--update", group=_LOCK, multiple=True, metavar="NAME", help="Ask anew (name or glob).")
@option("--check", "only_check", group=_LOCK, is_flag=True, help="Only exit: 6 where out of date.")
@option("--registries", group=_LOCK, metavar="FILE", help="Registries and their mirrors.")
@flags.workspace_flags
@common_options
def command(update: tuple[str, ...], only_check: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Write BUILD.lock beside the root build file: digests of base images, URLs, git refs.

    What is pinned stays as it is; what is missing is added, what nobody needs is removed.
    """
    if update and only_check:
        message = "--update changes the lock, and --check does not"
        raise click.UsageError(message)
    common = take_common(params)
    request = make_request(common, (), params, os.environ)
    from mkbuild.engine import locking

    if only_check:
        path = locking.check(request, common.reporter())
        click.echo(f"{path.name} is up to date")
        return
    path, lock = locking.update(request, common.reporter(), update)
    counts = (sum(map(len, lock.images.values())), len(lock.urls), len(lock.git))
    click.echo("{}: {} base images, {} URLs, {} git refs".format(path.name, *counts))
