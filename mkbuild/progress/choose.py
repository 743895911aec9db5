"""Which reporter an invocation gets."""

from collections.abc import Callable, Mapping
from typing import Literal, TextIO, assert_never

from mkbuild.events import Reporter
from mkbuild.frozen import frozen

Mode = Literal["auto", "tty", "plain", "json", "quiet"]


@frozen
class Streams:
    """Where reports go: JSON to ``out``, all others to ``err``."""

    out: TextIO
    err: TextIO


def is_terminal(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Whether a live display makes sense: a terminal that can move its cursor, and nobody's CI."""
    return stream.isatty() and env.get("TERM") != "dumb" and env.get("CI", "") in ("", "false", "0")


def has_colour(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Whether to colour: a terminal, and NO_COLOR (no-color.org) is not set."""
    return stream.isatty() and env.get("TERM") != "dumb" and not env.get("NO_COLOR")


def choose(
    mode: Mode,
    streams: Streams,
    env: Mapping[str, str],
    clock: Callable[[], float],
    *,
    verbose: bool = False,
) -> Reporter:
    """Make the reporter; each is imported only where it is used."""
    if mode == "auto":
        mode = "tty" if is_terminal(streams.err, env) else "plain"
    match mode:
        case "tty":
            from mkbuild.progress.tty import TerminalReporter

            colour = has_colour(streams.err, env)
            return TerminalReporter(streams.err, clock, colour=colour, verbose=verbose)
        case "plain":
            from mkbuild.progress.plain import PlainReporter

            return PlainReporter(streams.err, verbose=verbose)
        case "json":
            from mkbuild.progress.jsonlines import JsonReporter

            return JsonReporter(streams.out, clock)
        case "quiet":
            from mkbuild.progress.quiet import QuietReporter

            return QuietReporter(streams.err)
        case _:
            assert_never(mode)
