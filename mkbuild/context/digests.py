"""File digests, remembered: a file whose metadata is unchanged is not read again."""

import errno
import hashlib
import json
import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from mkbuild import digest as digests
from mkbuild.context.beside import SLOT, Answer, Asked, Beside
from mkbuild.errors import StepError
from mkbuild.store.database import Database

EMPTY = hashlib.sha256(b"").digest()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files_v2 (
    device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,
    digest BLOB, attributes BLOB, day INTEGER, PRIMARY KEY (device, inode)
) WITHOUT ROWID;
"""

_Identity = tuple[int, int, int, int, int]
"""Device, inode (signed), size, mtime and ctime (ns): what a file is known by."""
_SIZE = 2
"""The size's place in it."""

_SECOND = 1_000_000_000
_FINE_GRAIN = 20_000_000
"""Nanoseconds within which two changes may get one timestamp: two ticks of a 100 Hz kernel."""
_COARSE_GRAIN = 2 * _SECOND
"""The same for file systems that keep whole (FAT: even) seconds."""

_REFRESH_DAYS, _FORGET_DAYS = 7, 60
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


class FileDigests:
    """Raw SHA-256 of files, remembered by (device, inode, size, mtime, ctime) in nanoseconds.

    Extended attributes are remembered as well: whoever changes one changes the ctime.

    As in git's "racy" rule, a digest is not remembered where the file changed so shortly before it
    was read that a later change could leave the same timestamps. The database is only a help:
    corrupt, locked or on a full disk, files are simply read. Safe to share between threads and
    processes. ``clock`` returns nanoseconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        warn: Callable[[str], None],
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._database = Database(path, _SCHEMA, warn)
        self._warn = warn
        self._clock = clock
        self._usable = True
        self._attributes: dict[_Identity, bytes] = {}
        self._unsettled: set[_Identity] = set()
        self._kept: dict[bytes, bytes] = {}
        self._room = _KEPT
        self._beside: Beside | None = None
        self._hashing = threading.Lock()
        self.files_read = 0
        """How many files were read, since their digests were not known."""

    def close(self) -> None:
        """Close the database, and end the process that read files."""
        self._database.close()
        self._end_beside()

    def digests(self, files: Sequence[FileToHash]) -> list[bytes]:
        """Return the digests of files, in their order.

        Raises StepError for a file that cannot be read, is no regular file any more, or was
        changed while it was read.
        """
        identities = [_identity(file.status) for file in files]
        wanted = {
            which: file for which, file in zip(identities, files, strict=True) if which[_SIZE]
        }
        known = self._recall(wanted) if wanted else {}
        unknown = {which: file for which, file in wanted.items() if which not in known}
        if unknown:
            began = self._clock()
            fresh = self._hash(unknown)
            self.files_read += len(unknown)
            self._unsettled.update(
                which for which, file in unknown.items() if not is_settled(file.status, began)
            )
            self._remember(unknown, fresh, began)
            known.update(fresh)
        self._attributes.update((i, h.attributes) for i, h in known.items() if h.attributes)
        return [known[which].digest if which[_SIZE] else EMPTY for which in identities]

    def kept(self, digest: bytes) -> bytes | None:
        """Return the bytes of a file that was read and hashed here, where they were kept."""
        return self._kept.get(digest)

    def has_settled(self, status: os.stat_result) -> bool:
        """Whether a file that :meth:`digests` was asked for can't change and keep this status."""
        return not self._unsettled or _identity(status) not in self._unsettled

    def attributes(self, status: os.stat_result) -> bytes:
        """Return the attributes of a file that is not empty, after :meth:`digests` of it."""
        return self._attributes.get(_identity(status), b"") if self._attributes else b""

    def _hash(self, files: Mapping[_Identity, FileToHash]) -> dict[_Identity, Hashed]:
        """Read files: big ones in threads of their own, many small ones in two processes."""
        big = [which for which in files if which[_SIZE] >= _BIG]
        threads = min(os.cpu_count() or 1, 8)
        found: dict[_Identity, Hashed] = {}
        if len(files) - len(big) >= _MANY and self._hashing.acquire(blocking=False):
            try:
                found = self._hash_beside({w: f for w, f in files.items() if w[_SIZE] < _BIG})
            except BaseException:
                self._end_beside()  # what it has still to answer nobody is to take for an answer
                raise
            finally:
                self._hashing.release()
            files = {which: files[which] for which in big}
        if len(big) < 2 or threads < 2:  # noqa: PLR2004 -- nothing beside
            found.update((which, self._hash_one(which, file)) for which, file in files.items())
            return found
        from concurrent.futures import ThreadPoolExecutor  # a no-op reads nothing

        with ThreadPoolExecutor(threads) as pool:
            begun = {which: pool.submit(self._hash_one, which, files[which]) for which in big}
            for which, file in files.items():
                one = begun[which].result() if which in begun else self._hash_one(which, file)
                found[which] = one
        return found

    def _hash_beside(self, files: Mapping[_Identity, FileToHash]) -> dict[_Identity, Hashed]:
        """Read small files from the front, while another process does from the back."""
        found: dict[_Identity, Hashed] = {}
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
        if self._beside is None and len(os.sched_getaffinity(0)) > 1 and _threads() == 1:
            with suppress(OSError):  # no more processes are allowed
                self._beside = Beside(_read_beside)
        return self._beside

    def _end_beside(self) -> None:
        if self._beside is not None:
            self._beside.close()
            self._beside = None

    def _hash_one(self, which: _Identity, file: FileToHash) -> Hashed:
        hashed, data = _read(which, file.path)
        self._keep(hashed.digest, data)
        return hashed

    def _keep(self, digest: bytes, data: bytes | None) -> None:
        if data is not None and self._room >= len(data):
            # Threads may both find the last room: some bytes more, and no harm.
            self._room -= len(data)
            self._kept[digest] = data

    def _recall(self, wanted: Iterable[_Identity]) -> dict[_Identity, Hashed]:
        by_device: dict[int, list[int]] = {}
        for device, inode, *_ in wanted:
            by_device.setdefault(device, []).append(inode)
        found: dict[_Identity, Hashed] = {}
        if not self._usable:
            return found
        stale: list[tuple[int, ...]] = []
        today = self._clock() // (86400 * _SECOND)
        try:
            for device, inodes in by_device.items():
                rows = self._database.select(
                    "SELECT f.inode, size, mtime, ctime, digest, attributes, day"
                    " FROM json_each(?) AS j"
                    " CROSS JOIN files_v2 AS f ON f.device = ? AND f.inode = j.value",
                    (json.dumps(inodes), _signed(device)),
                )
                for inode, size, mtime, ctime, digest, attributes, day in rows:
                    found[device, inode, size, mtime, ctime] = Hashed(digest, attributes)
                    if day <= today - _REFRESH_DAYS:
                        stale.append((today, _signed(device), inode))
            self._database.write(
                "UPDATE files_v2 SET day = ? WHERE device = ? AND inode = ?", stale
            )
        except OSError as error:
            self._give_up(error)
        return found

    def _remember(
        self,
        files: Mapping[_Identity, FileToHash],
        hashed: Mapping[_Identity, Hashed],
        began: int,
    ) -> None:
        if not self._usable:
            return
        today = began // (86400 * _SECOND)
        rows = [
            (_signed(which[0]), *which[1:], *hashed[which], today)
            for which, file in files.items()
            if which not in self._unsettled
        ]
        try:
            self._database.write(
                "INSERT OR REPLACE INTO files_v2 VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
            if rows:
                self._database.write(
                    "DELETE FROM files_v2 WHERE day < ?", [(today - _FORGET_DAYS,)]
                )
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._usable = False
        self._warn(f"file digests are not remembered: {error}")


def _batches(files: Mapping[_Identity, FileToHash]) -> Iterator[list[Asked]]:
    """Cut files into batches whose bytes fit into an answer."""
    batch: list[Asked] = []
    size = 0
    for which, file in files.items():
        path = os.fsencode(file.path)
        # Long paths count as well: a socket has to hold all of a batch.
        cost = max(which[_SIZE], SLOT // _BATCH * len(path) // _PATH)
        if len(batch) == _BATCH or size + cost > SLOT:
            yield batch
            batch, size = [], 0
        batch.append((which, path))
        size += cost
    if batch:
        yield batch


def _read_beside(which: _Identity, path: bytes) -> Answer | None:
    try:
        hashed, data = _read(which, os.fsdecode(path))
    except StepError:
        return None  # said by the process that builds
    return None if hashed.attributes else (hashed.digest, data)


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 -- of this process


def is_settled(status: os.stat_result, now: int) -> bool:
    """Whether any change made from ``now`` (ns since 1970) on gives a file other timestamps."""
    grain = _FINE_GRAIN if status.st_ctime_ns % _SECOND else _COARSE_GRAIN
    return max(status.st_mtime_ns, status.st_ctime_ns) + grain < now


def _identity(status: os.stat_result) -> _Identity:
    return (
        status.st_dev,
        _signed(status.st_ino),
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )


def _signed(number: int) -> int:
    """SQLite's integers have 64 bits and a sign; inode numbers have no sign."""
    return number - (1 << 64) if number >= 1 << 63 else number


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


def _read(which: _Identity, path: Path | str) -> tuple[Hashed, bytes | None]:
    """Read and hash a file that is to be what it was; returns its bytes as well where it is small.

    Errors as in :meth:`FileDigests.digests`.
    """
    size = which[_SIZE]
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
    if _identity(after) != which or not stat.S_ISREG(after.st_mode):
        message = f"{os.fspath(path)} changed while it was being read"
        raise StepError(message, hint="build again when nothing writes to the build context")
    return Hashed(hashed.digest(), attributes), data if whole else None
