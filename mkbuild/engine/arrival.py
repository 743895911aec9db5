"""Blobs read while they arrive: whoever unpacks a layer need not wait for its last byte."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from io import RawIOBase
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from mkbuild.store.protocol import BlobSink, BlobWriter, Follower

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")


def read(
    into: BlobSink, bring: Callable[[BlobSink], None], use: Callable[[BinaryIO], T]
) -> T | None:
    """Bring a blob into a store, and give it to ``use`` as it comes; returns what that returns.

    The bytes are not checked before they are all there: nothing that ``use`` makes of them counts
    unless this returns it. None where they were not the blob's, which is in the store all the same
    (a mirror gave out half-way, somebody else had begun): read it there.

    Raises what ``bring`` raises, which checks the bytes, else what ``use`` raises.
    """
    sink = _Sink(into)
    brought: Future[None] = Future()

    def run() -> None:
        try:
            bring(sink)
        except BaseException as error:  # noqa: BLE001 -- raised again in the thread that reads
            brought.set_exception(error)
        else:
            brought.set_result(None)
        finally:
            sink.end()

    # A daemon: a build that was interrupted does not wait for a registry.
    threading.Thread(target=run, name="arrival", daemon=True).start()
    follower = sink.follower.result()
    if follower is None:
        brought.result()
        return None
    with closing(follower):
        try:
            result = use(cast("BinaryIO", _Stream(follower)))
        except Exception:
            brought.result()
            if follower.growth.finish() is None:
                return None
            raise
        brought.result()
        return result if follower.growth.finish() else None


class _Sink:
    """A store that tells of the first blob which is written to it."""

    def __init__(self, into: BlobSink) -> None:
        self._into = into
        self.follower: Future[Follower | None] = Future()

    @contextmanager
    def writer(self) -> Iterator[BlobWriter]:
        with self._into.writer() as blob:
            if not self.follower.done():
                self.follower.set_result(blob.follow())
            yield blob

    def end(self) -> None:
        """Tell that no blob is to come."""
        if not self.follower.done():
            self.follower.set_result(None)


class _Stream(RawIOBase):
    """A blob as a file that is read once."""

    def __init__(self, follower: Follower) -> None:
        super().__init__()
        self._follower = follower
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        data = self._follower.read(self._offset, len(view))
        view[: len(data)] = data
        self._offset += len(data)
        return len(data)
