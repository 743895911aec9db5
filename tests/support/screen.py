"""A command on a terminal of its own: what it shows, and keys for it."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_PATIENCE = 60.0
"""Seconds without a byte after which a test gives up; nothing is measured by it."""


class Screen:
    """Starts a command; its standard streams are the terminal, which controls it."""

    def __init__(
        self, command: Sequence[str], directory: Path, env: Mapping[str, str], columns: int = 80
    ) -> None:
        self._master, terminal = os.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.before = termios.tcgetattr(terminal)
        self._terminal = terminal
        self.seen = ""
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            cwd=directory,
            env={"TERM": "xterm", **env},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )

    def wait_for(self, text: str) -> str:
        """Read until a text is shown; return what came up to there, and forget it."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.seen:
            assert self._read(deadline), f"{text!r} did not come: {self.seen[-2000:]!r}"
        at = self.seen.index(text) + len(text)
        shown, self.seen = self.seen[:at], self.seen[at:]
        return shown

    def type(self, keys: str) -> None:
        """Type keys."""
        os.write(self._master, keys.encode())

    def rest(self) -> str:
        """Read until the command has ended; return what came."""
        deadline = time.monotonic() + _PATIENCE
        while self.process.poll() is None:
            self._read(min(deadline, time.monotonic() + 0.1))
            assert time.monotonic() < deadline, f"it does not end: {self.seen[-2000:]}"
        while self._read(time.monotonic()):
            pass
        return self.seen

    @property
    def attributes(self) -> list[object]:
        """What the terminal is set to now."""
        return termios.tcgetattr(self._terminal)

    def resize(self, rows: int, columns: int) -> None:
        """Change the window's size, of which the kernel tells the command."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], max(deadline - time.monotonic(), 0))
        if ready:
            self.seen += os.read(self._master, 1 << 16).decode(errors="replace")
        return bool(ready)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
        os.close(self._terminal)
