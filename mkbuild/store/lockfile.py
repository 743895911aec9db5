"""Locking one file (flock); see :mod:`mkbuild.store.locks` for what is made of it.

A lock file that is removed while somebody waits for it would let two holders in; so whoever gets
the lock checks that the path still names the file that was locked.

Nothing heavy is imported here: a no-op marks blobs as used.
"""

import fcntl
import os

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from pathlib import Path


def lock(path: "str | Path", operation: int, *, create: bool) -> int | None:
    """Lock a file; the open descriptor, or None where it is held (LOCK_NB) or absent."""
    flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0)
    while True:
        try:
            handle = os.open(path, flags, 0o644)
        except FileNotFoundError:
            if create:
                raise
            return None
        try:
            fcntl.flock(handle, operation)
        except BlockingIOError:
            os.close(handle)
            return None
        if _is_current(handle, path):
            return handle
        os.close(handle)


def _is_current(handle: int, path: "str | Path") -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))  # noqa: PTH116 - one syscall
    except FileNotFoundError:
        return False
