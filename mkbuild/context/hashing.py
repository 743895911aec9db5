"""Reads and hashes files: large ones in threads, many small ones in two processes."""

import errno
import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mkbuild import digest as digests
from mkbuild.context import forking
from mkbuild.context.beside import SLOT, Answer, Asked, Beside
from mkbuild.errors import StepError
from mkbuild.filesystem.diff import Identity, identity

SIZE = 2
"""The size's place in an identity."""
_BIG = 1 << 17
"""Bytes from which reading a file in another thread saves more than it costs."""
_MANY = 200
"""Small files for which another process pays."""
_BATCH = 100
"""Files that it is given at once: some milliseconds' worth."""
_PATH = 300
"""Bytes of a path above which fewer are given."""
_KEPT = 96 << 20
"""Bytes of small files that are kept, so that a layer's writer need not read them again."""


class FileToHash(NamedTuple):
    """A regular file and the lstat that the digest is to be true for."""

    path: Path | str
    status: os.stat_result


class Hashed(NamedTuple):
    """A file's raw SHA-256, and its extended attributes (empty: none; see read_attributes)."""

    digest: bytes
    attributes: bytes


class Hasher:
    """Reads files, and keeps the bytes of small ones; thread-safe."""

    def __init__(self) -> None:
        """Begin with no process and nothing kept."""
        self._kept: dict[bytes, bytes] = {}
        self._room = _KEPT
        self._beside: Beside | None = None
        self._hashing = threading.Lock()

    def kept(self, digest: bytes) -> bytes | None:
        """Return the bytes of a file that was read here, where they were kept."""
        return self._kept.get(digest)

    def hash(self, files: Mapping[Identity, FileToHash]) -> dict[Identity, Hashed]:
        """Read files that are to be what they were; raises StepError for one that is not."""
        found = self._hash_small({w: file for w, file in files.items() if w[SIZE] < _BIG})
        big = {which: file for which, file in files.items() if which[SIZE] >= _BIG}
        if len(big) < 2:  # noqa: PLR2004 -- nothing beside
            return found | self._hash_here(big)
        from concurrent.futures import ThreadPoolExecutor  # a no-op reads nothing

        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
            hashed = pool.map(self._hash_one, big, big.values())
            return found | dict(zip(big, hashed, strict=True))

    def _hash_here(self, files: Mapping[Identity, FileToHash]) -> dict[Identity, Hashed]:
        return {which: self._hash_one(which, file) for which, file in files.items()}

    def _hash_small(self, files: Mapping[Identity, FileToHash]) -> dict[Identity, Hashed]:
        if len(files) < _MANY or not self._hashing.acquire(blocking=False):
            return self._hash_here(files)
        try:
            return self._hash_beside(files)
        except BaseException:
            self.close()  # what it has still to answer nobody is to take for an answer
            raise
        finally:
            self._hashing.release()

    def _hash_beside(self, files: Mapping[Identity, FileToHash]) -> dict[Identity, Hashed]:
        """Read small files from the front, while another process does from the back."""
        found: dict[Identity, Hashed] = {}
        todo = deque(_batches(files))
        beside = self._helper()
        while todo or (beside is not None and beside.has_work):
            while beside is not None and beside.is_free and len(todo) > 1:
                beside.send(todo.pop())
            if todo:
                for which, _ in todo.popleft():
                    found[which] = self._hash_one(which, files[which])
            while beside is not None and beside.has_work:
                taken = beside.take(wait=not todo)
                if taken is None:
                    break
                for (which, _), answer in zip(*taken, strict=True):
                    if answer is None:
                        found[which] = self._hash_one(which, files[which])
                    else:
                        digest, data = answer
                        found[which] = Hashed(digest, b"")
                        self._keep(digest, data)
        return found

    def _helper(self) -> Beside | None:
        """Return the process beside this one, where there may be one."""
        if self._beside is None and forking.pays():
            with suppress(OSError):  # no more processes are allowed
                self._beside = Beside(_read_beside)
        return self._beside

    def close(self) -> None:
        """End the process that reads files."""
        if self._beside is not None:
            self._beside.close()
            self._beside = None

    def _hash_one(self, which: Identity, file: FileToHash) -> Hashed:
        hashed, data = _read(which, file.path)
        self._keep(hashed.digest, data)
        return hashed

    def _keep(self, digest: bytes, data: bytes | None) -> None:
        if data is not None and self._room >= len(data):
            # Threads may both find the last room: some bytes more, and no harm.
            self._room -= len(data)
            self._kept[digest] = data


def read_attributes(path: Path | str) -> bytes:
    """Encode a path's own ``user.*`` attributes and capabilities; empty where it has none.

    Labels that a machine puts on its files (SELinux, ACLs) are not among them. A path that has gone
    has none.
    """
    try:
        return _attributes_of(path)
    except OSError as error:
        message = f"cannot read the attributes of {os.fspath(path)}: {error.strerror}"
        raise StepError(message) from error


def _attributes_of(place: Path | str | int) -> bytes:
    """Encode the attributes of a path, or of what a descriptor has open; raises OSError."""
    follow = isinstance(place, int)
    try:
        names = os.listxattr(place, follow_symlinks=follow)
        if not names:
            return b""
        found: list[digests.Canonical] = [
            [name, os.getxattr(place, name, follow_symlinks=follow)]
            for name in sorted(names)
            if name.startswith("user.") or name == "security.capability"
        ]
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENOENT, errno.ENODATA}:
            return b""
        raise
    return digests.canonical(found) if found else b""


def _batches(files: Mapping[Identity, FileToHash]) -> Iterator[list[Asked]]:
    """Cut files into batches whose bytes fit into an answer."""
    batch: list[Asked] = []
    size = 0
    for which, file in files.items():
        path = os.fsencode(file.path)
        # Long paths count as well: a socket has to hold all of a batch.
        cost = max(which[SIZE], SLOT // _BATCH * len(path) // _PATH)
        if len(batch) == _BATCH or size + cost > SLOT:
            yield batch
            batch, size = [], 0
        batch.append((which, path))
        size += cost
    if batch:
        yield batch


def _read_beside(which: Identity, path: bytes) -> Answer | None:
    try:
        hashed, data = _read(which, os.fsdecode(path))
    except StepError:
        return None  # said by the process that builds
    return None if hashed.attributes else (hashed.digest, data)


def _read(which: Identity, path: Path | str) -> tuple[Hashed, bytes | None]:
    """Read and hash a file that is to be what it was; returns its bytes as well where it is small.

    Errors as in :meth:`FileDigests.digests`.
    """
    size = which[SIZE]
    try:
        # What replaced the file meanwhile is neither followed nor waited for.
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            attributes = _attributes_of(fd)
            # As small as most are, in one piece that is known to be the last.
            data = os.read(fd, min(size + 1, _BIG))
            hashed = hashlib.sha256(data)
            whole = len(data) == size
            while not whole and (piece := os.read(fd, _BIG)):
                hashed.update(piece)
            after = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:
        message = f"cannot read {os.fspath(path)}: {error.strerror}"
        raise StepError(message) from error
    if identity(after) != which or not stat.S_ISREG(after.st_mode):
        message = f"{os.fspath(path)} changed while it was being read"
        raise StepError(message, hint="build again when nothing writes to the build context")
    return Hashed(hashed.digest(), attributes), data if whole else None
