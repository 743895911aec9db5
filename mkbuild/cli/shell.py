"""``mkbuild shell``: a shell where a step failed, or anywhere else in a build."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.attend import enter, require_terminal
from mkbuild.cli.common import Common, common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import make_request
from mkbuild.engine.request import BuildRequest
from mkbuild.errors import UsageError

if TYPE_CHECKING:
    from mkbuild.engine.failures import Failure
    from mkbuild.engine.shell import What

SHELL = "What is opened"


class ShellCommand(Command):
    """Keeps the words behind ``--`` apart: they are a command, and no selection."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments before ``--``."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[__name__] = tuple(args[at + 1 :])
        return super().parse_args(ctx, args[:at])


@click.command(cls=ShellCommand)
@click.argument("name", metavar="[TARGET]", required=False, shell_complete=complete_selection)
@option("--at", group=SHELL, metavar="[FILE:]LINE", help="Before the step in this line.")
@option("--stage", group=SHELL, metavar="NAME", help="At the end of this stage.")
@option("-c", "--command", "text", group=SHELL, metavar="TEXT", help="Run this, as RUN would.")
@option("--busybox", group=SHELL, is_flag=True, help="Bring this machine's static busybox.")
@flags.input_flags
@flags.run_flags
@flags.cache_flags
@flags.lone_flags
@common_options
def command(name: str | None, **params: Any) -> int:
    """Open a shell in the state just before the step that failed last.

    Without TARGET that is a step of the last build in this directory, with the flags of that
    build. With TARGET it is that target's, or the end of its stage where none of its steps failed.
    "-c TEXT" or "-- COMMAND…" runs something there instead, and returns its status. Nothing that
    is changed in there is kept.
    """
    from mkbuild.engine.shell import Where

    ctx = click.get_current_context()
    words: tuple[str, ...] = ctx.meta[__name__]
    on_line = click.core.ParameterSource.COMMANDLINE
    given = {key: params[key] for key in params if ctx.get_parameter_source(key) is on_line}
    place, stage = params.pop("at"), params.pop("stage")
    what = _what(words, params.pop("text"), busybox=params.pop("busybox"))
    common = take_common(params)
    if name is None and not place:
        if stage:
            raise UsageError("--stage needs a TARGET", hint="mkbuild shell TARGET --stage NAME")
        request, failure = _last(common, given)
        return enter(common, request, Where(failure), what)
    file, line = _place(place, common.directory) if place else ("", 0)
    if name is None and not file:
        raise UsageError(
            f"--at {place} needs a TARGET", hint="or name the Dockerfile, as in --at Dockerfile:7"
        )
    request = make_request(common, (name or "all",), params, os.environ)
    return enter(common, request, Where(file=file, line=line, stage=stage or ""), what)


def _what(words: tuple[str, ...], text: str | None, *, busybox: bool) -> "What":
    from mkbuild.engine.shell import What
    from mkbuild.execute.shells import static_busybox

    if words and text:
        raise UsageError("-c and -- are two commands, and one is run", hint="leave one out")
    what = What(words, text or "", static_busybox() if busybox else "")
    if what.interactive:
        require_terminal("mkbuild shell -c COMMAND, or -- COMMAND…, runs something without one")
    return what


def _place(text: str, here: Path) -> tuple[str, int]:
    file, _, line = text.rpartition(":")
    if not line.isdecimal() or not int(line):
        raise UsageError(
            f"--at {text}: no line is named", hint="as in --at Dockerfile:7, or --at 7"
        )
    return (os.path.normpath(here / file) if file else ""), int(line)


def _last(common: Common, given: Mapping[str, Any]) -> "tuple[BuildRequest, Failure]":
    """Return what the last build in this directory was asked for, and its failed step.

    ``given``: parameters that take the place of that build's.
    """
    from mkbuild.cli import build
    from mkbuild.cli.verbs import arrange
    from mkbuild.engine.failures import last_failure
    from mkbuild.engine.redact import HIDDEN

    failure = last_failure(str(common.storage), str(common.directory))
    if failure is None:
        raise UsageError(
            "no step failed in the last build in this directory",
            hint="mkbuild shell TARGET opens the end of a target's stage, --at FILE:LINE any place",
        )
    params = build.command.make_context("build", arrange(list(failure.arguments))[1:]).params
    params |= given
    hidden = [name for name, value in params.items() if _is_hidden(value, HIDDEN)]
    if hidden:
        flag = f"--{hidden[0].replace('_', '-')}"
        raise UsageError(
            f"the value of {flag} is not written down with the build that failed",
            hint=f"give it again: mkbuild shell {flag} …",
        )
    selection = params.pop("selection")
    again = take_common(params | {"directory": None})
    return make_request(again, selection, params, os.environ), failure


def _is_hidden(value: object, mark: str) -> bool:
    return value == mark or (isinstance(value, tuple) and mark in value)
