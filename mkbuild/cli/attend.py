"""A shell on the standard streams of this process, for the verbs that open one."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from mkbuild.cli.common import Common
from mkbuild.engine.request import BuildRequest
from mkbuild.errors import CancelledError, MkbuildError, UsageError

if TYPE_CHECKING:
    from mkbuild.engine.shell import What, Where


def enter(common: Common, request: BuildRequest, where: "Where", what: "What") -> int:
    """Open a shell, or run something, on the standard streams."""
    from mkbuild.engine.shell import Console, open_shell
    from mkbuild.engine.terminal import Terminal

    relay = Terminal().relay if what.interactive else None
    console = Console(common.reporter(), _say, _write, relay)
    return open_shell(request, where, what, console)


def at_failure(common: Common, request: BuildRequest, build: Callable[[], int]) -> int:
    """Build; where a step fails, open a shell before what went wrong is raised."""
    from mkbuild.engine.failures import last_failure
    from mkbuild.engine.shell import What, Where

    require_terminal("without one: mkbuild shell -c COMMAND, after the build")
    try:
        return build()
    except CancelledError:
        raise
    except MkbuildError:
        failure = last_failure(request.storage, request.directory, own=True)
        if failure is not None:
            enter(common, request, Where(failure), What())
        raise


def require_terminal(hint: str) -> None:
    """Raise UsageError where nobody can sit at a shell."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        message = "a shell needs a terminal: standard input and output are not both one"
        raise UsageError(message, hint=hint)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _write(stream: int, data: bytes) -> None:
    out = sys.stdout if stream == 1 else sys.stderr
    out.buffer.write(data)
    out.buffer.flush()
