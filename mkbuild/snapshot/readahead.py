"""Reads blocks ahead in a thread of its own, and hashes them in another.

Decompressing and hashing release the GIL: other cores do them while the first one writes.
"""

import hashlib
import queue
import threading
from collections.abc import Iterator
from typing import Self

from mkbuild.digest import Digest

_AHEAD = 4
"""Blocks in flight behind each thread: what bounds the memory."""


class ReadAhead:
    """The blocks of a source; their digest, once all are read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Begin to read."""
        self._hash = hashlib.sha256()
        self._read = _Stage("read-ahead", blocks)
        self._hashed = _Stage("read-ahead hash", self._hashing())

    def _hashing(self) -> Iterator[bytes]:
        for block in self._read:
            self._hash.update(block)
            yield block

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks; raises what the source raised."""
        return iter(self._hashed)

    def digest(self) -> Digest:
        """Digest of all blocks; reads what is left of them."""
        for _ in self:
            pass
        return Digest("sha256:" + self._hash.hexdigest())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads, whatever they are doing."""
        # The last first: it may be waiting for a block of the one before.
        self._hashed.stop()
        self._read.stop()


class _Stage:
    """A thread that is a few blocks ahead of whoever reads them."""

    def __init__(self, name: str, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_AHEAD)
        self._stop = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for block in self._blocks:
                self._queue.put(block)
                if self._stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that reads
            self._queue.put(error)
        else:
            self._queue.put(None)

    def __iter__(self) -> Iterator[bytes]:
        while not self._ended:
            block = self._queue.get()
            if isinstance(block, bytes):
                yield block
            else:
                self._ended = True
                if block is not None:
                    raise block

    def stop(self) -> None:
        self._stop.set()
        while self._thread.is_alive():
            # One that waits to put a block needs room before it sees that it is to stop.
            try:
                self._queue.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)
