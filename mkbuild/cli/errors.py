"""How errors look: ``error: place: message``, excerpt, hint; internal ones leave a trace."""

import errno
import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from mkbuild import __version__
from mkbuild.engine.redact import redacted
from mkbuild.errors import BuildError, MkbuildError, StepError
from mkbuild.progress import text
from mkbuild.progress.choose import has_colour
from mkbuild.progress.columns import columns
from mkbuild.progress.excerpt import excerpt

INTERNAL = 37

_ROOM = "mkbuild cache gc removes old results; --storage and TMPDIR name another disk"
_PLACE = "--storage names another place for what mkbuild keeps"
_OF_THE_MACHINE = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EROFS: _PLACE,
    errno.EACCES: _PLACE,
    errno.EIO: "the kernel's log (dmesg) names the disk",
    errno.EMFILE: "ulimit -n raises the limit; -j 1 opens fewer at a time",
    errno.ENFILE: "sysctl fs.file-max raises the limit; -j 1 opens fewer at a time",
    errno.ENOMEM: "-j 1 needs less at a time",
}
"""What the machine refuses and no input explains, with what helps."""


def show(error: MkbuildError, stream: TextIO, env: Mapping[str, str], *, verbose: bool) -> None:
    """Write an error for a user: short first, its causes where ``verbose``.

    A step's excerpt was shown when it failed. Paths below the current directory are shown as
    they are seen from there.
    """
    place = f"{error.location}: " if error.location else ""
    lines = [f"error: {place}{error.message}"]
    if error.location and not isinstance(error, StepError):
        lines += [f"  {line}" for line in excerpt(error.location)]
    if verbose:
        lines += error.more
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    cause = error.__cause__
    while verbose and cause is not None:
        lines.append(f"  because of {type(cause).__name__}: {cause}")
        cause = cause.__cause__
    near = "\n".join(lines).replace(f"{Path.cwd()}/", "")
    lines = [text.clean(line) for line in near.split("\n")]
    room = columns(stream, env)
    if room is not None:
        lines = [part for line in lines for part in _laid_out(line, room)]
    if has_colour(stream, env):
        lines[0] = lines[0].replace("error:", "\x1b[1;31merror:\x1b[0m", 1)
    stream.write("\n".join(lines) + "\n")


def _laid_out(line: str, room: int) -> list[str]:
    """Break a line between words where a terminal would break it anywhere."""
    indent = " " * (len(line) - len(line.lstrip()))
    return [line] if text.cells(line) <= room else text.wrap(line.lstrip(), indent, room)


def of_the_machine(error: BaseException) -> BuildError | None:
    """Return what a user is told where the machine refused something; None for our own errors."""
    if not isinstance(error, OSError) or error.errno not in _OF_THE_MACHINE:
        return None
    why = error.strerror or str(error)
    hint: str | None = _OF_THE_MACHINE[error.errno]
    if error.filename:
        why = f"{os.fsdecode(error.filename)}: {why}"
    elif hint == _ROOM:
        hint = None  # a stream: what makes room on a disk of ours does not help there
    found = BuildError(why, hint=hint)
    found.__cause__ = error
    return found


def internal(error: BaseException, argv: Sequence[str], stream: TextIO) -> None:
    """Write the trace file of an error that is ours, and ask for a report."""
    trace = (
        f"mkbuild {__version__}, Python {platform.python_version()}, {platform.platform()}\n"
        f"arguments: {redacted(argv)}\n\n{''.join(traceback.format_exception(error))}"
    )
    path = _trace_path(os.environ)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trace)
    except OSError:
        # Somebody without a home of his own: the trace goes where he sees it.
        stream.write(trace)
        place = "above"
    else:
        place = f"in {path}"
    stream.write(
        f"error: internal error: {type(error).__name__}: {error}\n"
        f"  This is a bug in mkbuild. Please report it with the trace {place}\n"
    )


def _trace_path(env: Mapping[str, str]) -> Path:
    state = env.get("XDG_STATE_HOME") or str(Path(env.get("HOME") or "/tmp") / ".local/state")  # noqa: S108 - no home: any place will do
    stamp = time.strftime("%Y%m%dT%H%M%S")
    return Path(state) / "mkbuild" / f"trace-{stamp}-{os.getpid()}.txt"


def close_streams() -> None:
    """Point standard output elsewhere after its reader is gone, so that exiting stays silent."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
