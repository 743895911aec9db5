"""A process that reads and hashes files, while this one does so as well.

Threads cannot share the work: to open, read and hash a small file is a dozen short calls, between
which the interpreter runs one thread at a time. The process is forked where this one has a single
thread. Files go to it in batches, and digests come back, by a pair of sockets, which hold all that
may be on its way; the bytes themselves, which a layer's writer wants, are in memory of both.
"""

import _socket  # socket is 10 ms
import marshal
import mmap
import os
import select
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from mkbuild.filesystem.diff import Identity

Asked = tuple[Identity, bytes]
"""A file: what it is to be known by, and its path."""

Answer = tuple[bytes, bytes | None]
"""Digest, and the bytes where they fit."""

Read = Callable[[Identity, bytes], Answer | None]
"""Reads a file; None where who asked has to do so: something is wrong, or there is more to say."""

SLOT = 1 << 20
"""Bytes that may come with the answers of a batch."""
_SLOTS = 2
"""Batches on their way: the next one is there when one is done."""
_LENGTH = struct.Struct("<I")


class Beside:
    """The process; to be used by one thread at a time."""

    def __init__(self, read: Read) -> None:
        """Fork it; OSError where no more processes are allowed."""
        self._area = mmap.mmap(-1, SLOT * _SLOTS)
        self._batches: list[tuple[int, Sequence[Asked]]] = []
        self._free = list(range(_SLOTS))
        ours, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._line, line = ours.detach(), theirs.detach()
        try:
            self._child = os.fork()
        except OSError:
            os.close(self._line)
            raise
        else:
            if not self._child:
                os.close(self._line)
                _serve(read, self._area, line)
        finally:
            os.close(line)

    @property
    def is_free(self) -> bool:
        """Whether a batch may be sent."""
        return bool(self._free)

    @property
    def has_work(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._batches)

    def send(self, batch: Sequence[Asked]) -> None:
        """Have files read."""
        slot = self._free.pop()
        self._batches.append((slot, batch))
        with suppress(ConnectionError):  # it was killed: its answer is seen to be missing
            _put(self._line, (slot, batch))

    def take(self, *, wait: bool) -> tuple[Sequence[Asked], Sequence[Answer | None]] | None:
        """Return the next batch and its answers; None where it is not there and need not be.

        An answer that is None has to be found by somebody else.
        """
        if not wait and not select.select([self._line], [], [], 0)[0]:
            return None
        slot, batch = self._batches.pop(0)
        self._free.append(slot)
        found = _get(self._line)
        if found is None:
            return batch, [None] * len(batch)
        answers: list[Answer | None] = []
        at = slot * SLOT
        for digest, size in found:
            data = self._area[at : at + size] if size >= 0 else None
            answers.append((digest, data) if digest else None)
            at += max(size, 0)
        return batch, answers

    def close(self) -> None:
        """End the process."""
        os.close(self._line)
        os.waitpid(self._child, 0)
        self._area.close()


def _serve(read: Read, area: mmap.mmap, line: int) -> NoReturn:
    """Read what is asked for until nobody asks."""
    try:
        while (asked := _get(line)) is not None:
            slot, batch = asked
            at, end = slot * SLOT, (slot + 1) * SLOT
            answers = []
            for which, path in batch:
                digest, data = read(which, path) or (b"", None)
                size = -1
                if data is not None and at + len(data) <= end:
                    size = len(data)
                    area[at : at + size] = data
                    at += size
                answers.append((digest, size))
            _put(line, answers)
    finally:
        os._exit(0)  # whatever it was: what it does not answer is read by who asked


def _put(line: int, value: Any) -> None:  # noqa: ANN401 -- what marshal takes
    data = marshal.dumps(value)
    rest = memoryview(_LENGTH.pack(len(data)) + data)
    while rest:
        rest = rest[os.write(line, rest) :]


def _get(line: int) -> Any:  # noqa: ANN401 -- what was put
    """Return the next value; None at the end."""
    try:
        head = _exactly(line, _LENGTH.size)
        data = _exactly(line, _LENGTH.unpack(head)[0]) if head else b""
    except ConnectionError:
        return None
    return marshal.loads(data) if data else None  # noqa: S302 -- from ourselves


def _exactly(line: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(line, size)
        if not part:
            return b""
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
