"""Blobs that may not be on the disk yet: nobody waits for a disk, and nobody trusts a torn blob.

To wait for the disk at each blob (fdatasync) took a build of many images a tenth of its time, and
more where others wrote at the same time. So a blob is noted, by an empty file that has its name,
before it gets its place. A journaling filesystem keeps the order of names even in a power cut: one
that is in its place is noted. Whoever opens the store after another boot hashes what is noted, and
sets aside what is torn. Notes go once all is written out, which happens when they are many.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.store import boot
from mkbuild.store.locks import exclusive
from mkbuild.store.temp import remove_tree

MANY = 4000
"""Notes that are worth to be taken away: the disk is waited for once in so many blobs."""


class Unsynced:
    """The notes of one store, which any number of processes write."""

    def __init__(self, root: Path) -> None:
        """Bind to a store; nothing is made before the first note."""
        self._root = root
        self._all = root / boot.DIRECTORY
        self._here = self._all / boot.current()

    def note(self, digest: Digest) -> None:
        """Note a blob that is written, and about to get its place."""
        path = f"{self._here}/{digests.hex_of(digest)}"
        while True:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            except FileNotFoundError:
                # The first one, or somebody has just taken the notes away.
                self._here.mkdir(parents=True, exist_ok=True)
            else:
                return

    def settle(self, look: Callable[[Digest], object]) -> None:
        """Have each blob looked at that an earlier boot noted; ``look`` sets aside what is torn.

        Whoever comes meanwhile waits: nothing is used that has not been looked at.
        """
        if not boot.others(str(self._root)):
            return
        with exclusive(self._root / f"{boot.DIRECTORY}.lock"):
            for name in boot.others(str(self._root)):
                directory = self._all / name
                for path in directory.iterdir():
                    with suppress(ValueError):  # no blob has such a name
                        look(digests.from_hex(path.name))
                remove_tree(directory)

    def sync(self, least: int = 1) -> None:
        """Write the filesystem out, and take the notes away, where there are so many of them."""
        try:
            if len(os.listdir(self._here)) < least:  # noqa: PTH208 -- thousands
                return
            taken = self._here.with_name(f"{self._here.name}.{os.urandom(6).hex()}")
            self._here.rename(taken)
        except FileNotFoundError:
            return  # none, or somebody else has just done it
        # What is noted from here on is noted anew. Where this is killed, or the disk is in trouble,
        # which is no trouble of what was built, the notes stay for the next boot.
        with suppress(OSError):
            write_out(self._root)
            remove_tree(taken)


def write_out(root: Path) -> None:
    """Write a filesystem out (syncfs(2)); os.sync would wait for every filesystem there is."""
    import ctypes

    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(root))
    finally:
        os.close(fd)
