"""``mkbuild cache``: what the local store takes, how to make it smaller, how to carry it on."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkbuild.buildfile.target import STDOUT
from mkbuild.cli import flags, values
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import make_request
from mkbuild.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mkbuild.engine.collect import Freed

_LIMITS = "What stays"

_signing_key = option(
    "--signing-key-env",
    group=flags.CACHE,
    metavar="VARIABLE",
    help="Where the key is that signs entries, or checks them.",
)


@click.group()
def command() -> None:
    """Measure, clean and carry the local store. What a running build uses is never removed."""


@command.command(cls=Command)
@option("--json", "as_json", group="What is shown", is_flag=True, help="As JSON.")
@common_options
def du(as_json: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Say what the store takes."""
    from mkbuild.engine.collect import usage
    from mkbuild.progress import text

    common = take_common(params)
    parts = usage(common.storage)
    if as_json:
        shown = {part.part: {"count": part.count, "bytes": part.bytes} for part in parts}
        click.echo(json.dumps(shown, indent=2))
        return
    for part in parts:
        click.echo(f"{part.part:<14} {part.count:>7}  {text.size(part.bytes):>8}")
    click.echo(f"{'in all':<14} {'':>7}  {text.size(sum(part.bytes for part in parts)):>8}")


@command.command(cls=Command)
@option("--ttl", group=_LIMITS, metavar="TIME", help="What was used since (14d).")
@option("--max-size", group=_LIMITS, metavar="SIZE", help="The most recently used, up to this.")
@common_options
def gc(ttl: str | None, max_size: str | None, **params: Any) -> None:
    """Remove what was not used for long, and the oldest above a size."""
    from mkbuild.engine.collect import DEFAULT_TTL

    seconds = values.duration("--ttl", ttl)
    limit = values.size("--max-size", max_size)
    _collect(params, DEFAULT_TTL if seconds is None else seconds, limit)


@command.command(cls=Command)
@common_options
def prune(**params: Any) -> None:
    """Remove all that no running build uses."""
    _collect(params, 0, None)


@command.command(cls=Command, short_help="Write what is cached of images.")
@click.argument("place", metavar="FILE|DIR")
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@_signing_key
@flags.input_flags
@flags.cache_flags
@flags.lone_flags
@common_options
def export(place: str, selection: tuple[str, ...], **params: Any) -> None:
    """Write what is cached of images, all by default: into a tar, or a directory that is there.

    - is standard output. Another store takes it with import; a directory also serves as a shared
    cache of type directory.
    """
    key = _key(params)
    common = take_common(params)
    request = make_request(common, selection or ("all",), params, os.environ)
    from mkbuild.engine.bundles import export as write
    from mkbuild.progress import text

    path = Path(STDOUT) if place == "-" else common.directory / place
    written = write(request, common.reporter(), path, key)
    click.echo(
        f"{place}: {text.count(written.entries, 'entry', 'entries')},"
        f" {text.count(written.blobs, 'blob')}, {text.size(written.bytes)}",
        err=place == "-",
    )
    if written.missing:
        _warn(f"{text.count(written.missing, 'step')} without a result: build first")


@command.command("import", cls=Command, short_help="Take over what export wrote.")
@click.argument("place", metavar="FILE|DIR")
@_signing_key
@common_options
def import_(place: str, **params: Any) -> None:
    """Take over what export wrote; every digest is checked, and no good entry is replaced.

    - is standard input.
    """
    key = _key(params)
    common = take_common(params)
    from mkbuild.engine.bundles import bring
    from mkbuild.progress import text

    path = Path("/dev/stdin") if place == "-" else common.directory / place
    brought = bring(common.storage, common.reporter(), path, key)
    click.echo(
        f"{place}: {text.count(brought.entries, 'new entry', 'new entries')}"
        f" ({brought.known} known), {text.count(brought.blobs, 'new blob')},"
        f" {text.size(brought.bytes)}"
    )
    if brought.refused:
        _warn(f"{text.count(brought.refused, 'part')} did not count; {brought.complaint}")


def _key(params: dict[str, Any]) -> bytes | None:
    """Read the signing key, where a variable is named for it."""
    variable = params.pop("signing_key_env")
    if variable is None:
        return None
    if variable not in os.environ:
        raise UsageError(
            f"--signing-key-env {variable}: that variable is not set",
            hint=f"export {variable}, or leave the flag out",
        )
    return os.environb[os.fsencode(variable)]


def _collect(params: dict[str, Any], ttl: int, max_size: int | None) -> None:
    from mkbuild.engine.collect import collect

    common = take_common(params)
    _show(collect(common.storage, ttl=ttl, max_size=max_size, warn=_warn))


def _show(parts: "Sequence[Freed]") -> None:
    from mkbuild.progress import text

    for part in parts:
        click.echo(
            f"{part.part:<14} {part.removed:>7} removed  {text.size(part.removed_bytes):>8}   "
            f"{part.kept:>7} kept  {text.size(part.kept_bytes):>8}"
        )


def _warn(message: str) -> None:
    click.echo(f"warning: {message}", err=True)
