"""What every verb understands: where it runs, and how it reports."""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import click

from mkbuild.cli.options import GENERAL, combine, option
from mkbuild.errors import UsageError
from mkbuild.events import Reporter
from mkbuild.frozen import frozen
from mkbuild.progress.choose import Mode, Streams, choose
from mkbuild.store.place import default_place


@frozen
class Common:
    """The general options, resolved. ``file`` is as given; the verb knows what it means."""

    directory: Path
    storage: Path
    file: str | None
    verbose: bool
    mode: Mode

    def reporter(self) -> Reporter:
        """Make the reporter for this invocation."""
        streams = Streams(sys.stdout, sys.stderr)
        return choose(self.mode, streams, os.environ, time.time, verbose=self.verbose)


def default_storage(env: Mapping[str, str]) -> Path:
    """Return where store, cache and snapshots live unless ``--storage`` says otherwise."""
    return Path(default_place(env))


common_options = combine(
    option("-C", "--directory", group=GENERAL, metavar="DIR", help="Run as if started in DIR."),
    option("-f", "--file", group=GENERAL, metavar="FILE", help="Build file (or Dockerfile)."),
    option("-v", "--verbose", group=GENERAL, is_flag=True, help="Say more; errors in full."),
    option("-s", "--silent", group=GENERAL, is_flag=True, help="Say only what went wrong."),
    option(
        "--progress",
        group=GENERAL,
        type=click.Choice(["auto", "tty", "plain", "json", "quiet"]),
        default="auto",
        help="How to report; json writes events to standard output.",
    ),
    option("--storage", group=GENERAL, metavar="DIR", help="Store, cache and snapshots."),
    option("--log-fmt", group=GENERAL, type=click.Choice(["console", "json"]), help="As Makisu's."),
    option(
        "--log-level",
        group=GENERAL,
        type=click.Choice(["debug", "info", "warn", "error"]),
        help="As Makisu's: debug is -v, error is -s.",
    ),
    option("--log-output", group=GENERAL, hidden=True),
    option("--cpu-profile", group=GENERAL, hidden=True, is_flag=True),
)


def take_common(params: dict[str, Any]) -> Common:
    """Take the general options out of a command's parameters."""
    directory = params.pop("directory")
    storage = params.pop("storage")
    verbose = bool(params.pop("verbose"))
    silent = bool(params.pop("silent"))
    mode = cast("Mode", params.pop("progress"))
    log_format: Literal["console", "json"] | None = params.pop("log_fmt")
    level = params.pop("log_level")
    for name in ("log_output", "cpu_profile"):
        if params.pop(name):
            click.echo(f"warning: --{name.replace('_', '-')} does nothing here", err=True)
    if mode == "auto" and log_format == "json":
        mode = "json"
    if mode == "auto" and (silent or level == "error"):
        mode = "quiet"
    here = Path.cwd()
    if directory is not None:
        here = here / directory
        if not here.is_dir():
            raise UsageError(f"-C {directory}: there is no such directory")
        os.chdir(here)
    return Common(
        directory=here,
        storage=here / storage if storage else default_storage(os.environ),
        file=params.pop("file"),
        verbose=verbose or level == "debug",
        mode=mode,
    )
