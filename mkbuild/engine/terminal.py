"""The user's terminal, put through to a command that has one of its own."""

import errno
import fcntl
import os
import select
import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_CHUNK = 1 << 14
_END_OF_INPUT = b"\x04"


class Terminal:
    """Standard input and output of this process, both of which must be terminals."""

    def __init__(self, source: int = 0, sink: int = 1) -> None:
        self._source = source
        self._sink = sink

    def relay(self, master: int) -> None:
        """Pass keys, output and the window's size on until the command has let go of its end.

        Every key is the command's meanwhile, Ctrl-C among them. A signal that ends this process
        raises KeyboardInterrupt here; the terminal is left as it was found in any case.
        """
        os.set_blocking(master, False)
        with self._raw(), self._signals(master):
            pending, sources = b"", [master, self._source]
            while True:
                wanted = [master] if pending else []
                # more is read when the command has taken what it was given
                ready, free, _ = select.select(sources if not pending else [master], wanted, [])
                if master in ready:
                    data = _read(master)
                    if data is None:
                        return
                    _write_all(self._sink, data)
                if self._source in ready:
                    pending = _read(self._source) or b""
                    if not pending:  # nobody sits there any more
                        sources, pending = [master], _END_OF_INPUT
                elif free:
                    pending = pending[_write(master, pending) :]

    @contextmanager
    def _raw(self) -> Iterator[None]:
        before = termios.tcgetattr(self._source)
        tty.setraw(self._source)
        try:
            yield
        finally:
            termios.tcsetattr(self._source, termios.TCSAFLUSH, before)

    @contextmanager
    def _signals(self, master: int) -> Iterator[None]:
        def resize(_number: int, _frame: FrameType | None) -> None:
            size = fcntl.ioctl(self._sink, termios.TIOCGWINSZ, bytes(8))
            fcntl.ioctl(master, termios.TIOCSWINSZ, size)

        handlers = {
            signal.SIGWINCH: resize,
            signal.SIGTERM: _interrupt,
            signal.SIGHUP: _interrupt,
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            resize(0, None)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _read(terminal: int) -> bytes | None:
    """Read what is there; None where nobody has the other end any more."""
    try:
        return os.read(terminal, _CHUNK)
    except BlockingIOError:
        return b""
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return None


def _write(master: int, data: bytes) -> int:
    """Write what there is room for; once nobody has the other end, all of it is gone."""
    try:
        return os.write(master, data)
    except BlockingIOError:
        return 0
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        return len(data)


def _write_all(sink: int, data: bytes) -> None:
    while data:
        data = data[os.write(sink, data) :]
