"""``mkbuild watch``: builds, and builds again whenever a save reaches an image."""

import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import errors, flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.build import BuildCommand
from mkbuild.cli.common import Common, common_options, take_common
from mkbuild.cli.request import make_request
from mkbuild.engine.request import DockerfileInput
from mkbuild.errors import CancelledError, MkbuildError, UsageError
from mkbuild.progress import text

if TYPE_CHECKING:
    from mkbuild.engine.cycle import Cycle

_SHOWN = 3


@click.command(cls=BuildCommand)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@flags.input_flags
@flags.run_flags
@flags.result_flags
@flags.cache_flags
@flags.lone_flags
@flags.makisu_flags
@common_options
def command(selection: tuple[str, ...], **params: Any) -> None:
    """Build images, and build them again whenever a save changes what they are made from.

    Takes build's flags. Ctrl-C ends it. Needs the extra "watch": pip install 'mkbuild[watch]'.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise UsageError(
            "watch needs the library watchfiles, which is not installed",
            hint="pip install 'mkbuild[watch]', or pip install watchfiles",
        )
    common = take_common(params)
    request = make_request(common, selection, params, os.environ)
    if isinstance(request.input, DockerfileInput) and request.input.text is not None:
        raise UsageError("-f -: standard input cannot be watched", hint="name a file")
    from mkbuild.engine.cycle import Job
    from mkbuild.engine.watch import Watch

    # Also where a script's background job was told to ignore SIGINT: builds inherit what is set
    # here, and are cancelled by it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    job = Job(request, tuple(sys.argv[1:]), common.mode, common.verbose)
    try:
        Watch(job, _Show(common)).run()
    except KeyboardInterrupt:
        raise CancelledError("interrupted") from None


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Show:
    """Writes a line for each build to standard error."""

    def __init__(self, common: Common) -> None:
        self._common = common

    def error(self, error: MkbuildError, *, told: bool = False) -> None:
        if not told:
            errors.show(error, sys.stderr, os.environ, verbose=self._common.verbose)
        elif error.hint:
            click.echo(f"hint: {error.hint}", err=True)

    def built(
        self, saved: frozenset[str], changed: list[str], cycle: "Cycle", targets: Mapping[str, str]
    ) -> None:
        if cycle.error is not None:
            result = "failed"
        elif saved:
            result = ", ".join(changed) or "no image changed"
        else:
            result = text.count(len(targets), "image")
        cause = f"changed: {self._names(saved)} → " if saved else "built: "
        click.echo(f"{cause}{result} ({text.seconds(cycle.seconds)})", err=True)

    def _names(self, paths: frozenset[str]) -> str:
        here = os.path.realpath(self._common.directory)
        names = sorted(
            str(Path(path).relative_to(here)) if path.startswith(f"{here}/") else path
            for path in paths
        )
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        return ", ".join(names[:_SHOWN]) + more
