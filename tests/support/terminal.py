"""A shell on a terminal of its own, into which somebody types."""

import os
import pty
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

PROMPT = "READY> "


def type_into(
    shell: Sequence[str], keys: str, *, cwd: Path, env: Mapping[str, str], columns: int = 80
) -> str:
    """Start a program, type each line of ``keys`` at its prompt, and end it; returns what it shows.

    The shell shows :data:`PROMPT` where it waits; it leaves when its terminal hangs up.
    """
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    command = ["setsid", "--ctty", "--wait", *shell]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=cwd, env=dict(env)
    ) as process:
        os.close(slave)
        shown = b""
        for line in keys.splitlines():
            shown += _until_prompt(master)
            os.write(master, line.encode() + b"\r")
        while data := _read(master):
            shown += data
        process.wait()
    os.close(master)
    return shown.decode("utf-8", "replace")


def _until_prompt(master: int) -> bytes:
    shown = b""
    while PROMPT.encode() not in shown:
        data = _read(master)
        if not data:
            raise AssertionError(f"no prompt: {shown!r}")
        shown += data
    return shown


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:  # EIO: nobody has the terminal open any more
        return b""
