"""Contents of regular files: opened without following a link, read in bounded memory, hashed."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

_HOP = 4000
"""Bytes of a path that one system call is given; PATH_MAX is 4096 with its NUL."""
_READ = 1 << 20


def open_file(path: Path) -> int:
    """Open a regular file for reading, however long its path; the last name may be no link.

    Does not block on a fifo that has taken the file's place.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        return os.open(path, flags)
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
        return os.open(name, flags, dir_fd=at)
    finally:
        if at is not None:
            os.close(at)


def pieces(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, at most a megabyte at a time."""
    fd = open_file(path)
    try:
        while piece := os.read(fd, _READ):
            yield piece
    finally:
        os.close(fd)


def sha256(path: Path) -> bytes:
    """Raw SHA-256 of a file."""
    hashed = hashlib.sha256()
    for piece in pieces(path):
        hashed.update(piece)
    return hashed.digest()


def sha256_of(data: bytes) -> bytes:
    """Raw SHA-256 of some bytes."""
    return hashlib.sha256(data).digest()


def write(fd: int, data: bytes | memoryview) -> None:
    """Write all of some bytes."""
    written = os.write(fd, data)
    while written < len(data):
        written += os.write(fd, data[written:])
