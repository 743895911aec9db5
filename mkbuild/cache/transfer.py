"""Bytes on their way from a carrier into a blob store: checked, limited, and in good time."""

import time
from collections.abc import Iterable

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.store.protocol import BlobStore, BlobWriter

CHUNK = 1 << 18

_GRACE = 4.0
_MIN_RATE = 1 << 15


def receive(digest: Digest, size: int, chunks: Iterable[bytes], into: BlobStore) -> None:
    """Write a blob; ValueError for other bytes than announced, OSError where they hardly come.

    A sender that trickles is given up after four seconds below 32 kB/s: waiting for it costs more
    than it can save.
    """
    started, done = time.monotonic(), 0
    with into.writer() as writer:
        for chunk in chunks:
            done += len(chunk)
            if done > size:
                message = f"{digest} has more than {size} bytes"
                raise ValueError(message)
            writer.write(chunk)
            check_pace(done, time.monotonic() - started)
        commit(writer, digest)


def commit(writer: BlobWriter, digest: Digest) -> None:
    """Publish a blob that came from elsewhere; ValueError where it is another one."""
    try:
        writer.commit(digest)
    except ArchiveError as error:
        message = f"wrong bytes: {error.message}"
        raise ValueError(message) from error


def check_pace(done: int, seconds: float) -> None:
    """Raise OSError where a transfer is too slow to be waited for."""
    if seconds > _GRACE and done < _MIN_RATE * seconds:
        message = f"too slow: {done} bytes in {seconds:.0f} s"
        raise OSError(message)
