"""Contents of regular files: opened without following a link, read in bounded memory, hashed."""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_HOP = 4000
"""Bytes of a path that one system call is given; PATH_MAX is 4096 with its NUL."""
_READ = 1 << 20


FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""How regular files are opened: following no link, and not blocking on a fifo in their place."""


def open_file(path: str | Path) -> int:
    """Open a regular file for reading, however long its path; the last name may be no link."""
    try:
        return os.open(path, FLAGS)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    directory, name = os.path.split(os.fsencode(path))
    at: int | None = None
    try:
        while directory:
            cut = len(directory)
            if cut > _HOP:
                cut = directory.rindex(b"/", 1, _HOP)
            step = os.open(directory[:cut], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=at)
            if at is not None:
                os.close(at)
            at, directory = step, directory[cut + 1 :]
        return os.open(name, FLAGS, dir_fd=at)
    finally:
        if at is not None:
            os.close(at)


def pieces(fd: int, size: int) -> Iterator[bytes]:
    """Yield what a descriptor has, at most a megabyte at a time, and close it.

    ``size``: how much there should be. One byte more than that is asked for, so that a file which
    grew is noticed, and no second read is needed to find the end of one which did not.
    """
    try:
        while True:
            wanted = min(_READ, max(size, 0) + 1)
            piece = os.read(fd, wanted)
            if not piece:
                return
            size -= len(piece)
            yield piece
            if not size and len(piece) < wanted:
                return
    finally:
        os.close(fd)


def sha256(path: str | Path) -> bytes:
    """Raw SHA-256 of a file."""
    fd = open_file(path)
    return sha256_of(pieces(fd, os.fstat(fd).st_size))


def sha256_of(data: Iterable[bytes]) -> bytes:
    """Raw SHA-256 of some pieces."""
    hashed = hashlib.sha256()
    for piece in data:
        hashed.update(piece)
    return hashed.digest()


def write(fd: int, data: bytes | memoryview) -> None:
    """Write all of some bytes."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])
