"""Marking blobs as used, many at once.

Nothing heavy is imported here: this is what a no-op runs.
"""

import fcntl
import os

from mkbuild.store.lockfile import lock

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkbuild.digest import Digest

GATE = "use.lock"
"""Shared while a blob is marked as used, exclusive while one is looked at and removed."""


def place(digest: "Digest") -> str:
    """Return where a blob is, below the root of its store."""
    return f"blobs/sha256/{digest[7:9]}/{digest[7:]}"


def use(root: str, digests: "Iterable[Digest]") -> bool:
    """Mark blobs as used; whether all of them are there."""
    gate = lock(f"{root}/{GATE}", fcntl.LOCK_SH, create=True)
    assert gate is not None  # noqa: S101 - a blocking lock is had, or raises
    try:
        for digest in digests:
            os.utime(f"{root}/{place(digest)}")
    except FileNotFoundError:
        return False
    finally:
        os.close(gate)
    return True
