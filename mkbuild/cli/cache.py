"""``mkbuild cache``: what the local store takes, and how to make it smaller."""

import json
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import values
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mkbuild.engine.collect import Freed

_LIMITS = "What stays"


@click.group()
def command() -> None:
    """Measure and clean the local store. What a running build uses is never removed."""


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
