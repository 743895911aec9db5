"""How wide a terminal is."""

import fcntl
import io
import os
import struct
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from mkbuild.progress.columns import columns


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    master, slave = os.openpty()
    with os.fdopen(slave, "w") as stream:
        yield stream
    os.close(master)


def resize(stream: TextIO, width: int) -> None:
    fcntl.ioctl(stream.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))


def test_a_terminal_says_how_wide_it_is_now(terminal: TextIO) -> None:
    for width in (40, 132):
        resize(terminal, width)
        assert columns(terminal, {}) == width


def test_one_that_does_not_say_so_has_80(terminal: TextIO) -> None:
    resize(terminal, 0)
    assert columns(terminal, {}) == 80


def test_the_environment_knows_better(terminal: TextIO) -> None:
    resize(terminal, 40)
    assert columns(terminal, {"COLUMNS": "60"}) == 60
    assert columns(terminal, {"COLUMNS": "wide"}) == 40


def test_nothing_else_has_a_width() -> None:
    closed = io.StringIO()
    assert columns(closed, {"COLUMNS": "60"}) is None
    closed.close()
    assert columns(closed, {}) is None
