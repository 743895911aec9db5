"""Files that somebody else put there: whatever they are, reading them ends.

A repository may hold a link to ``/dev/zero``, a directory of images a fifo.
"""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 16 << 20
"""What somebody writes by hand has less."""


def open_regular(path: str | Path) -> BinaryIO:
    """Open a file for reading; OSError where it is none, or no regular one."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return os.fdopen(fd, "rb")


def read_limited(path: str | Path, limit: int) -> bytes:
    """Return what a file or pipe holds; OSError where that is more than ``limit`` bytes."""
    with Path(path).open("rb") as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit} bytes", str(path))
    return data
