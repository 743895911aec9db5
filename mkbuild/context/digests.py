"""File digests, remembered: a file whose metadata is unchanged is not read again."""

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mkbuild import digest as digests
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

_SECOND = 1_000_000_000
_FINE_GRAIN = 20_000_000
"""Nanoseconds within which two changes may get one timestamp: two ticks of a 100 Hz kernel."""
_COARSE_GRAIN = 2 * _SECOND
"""The same for file systems that keep whole (FAT: even) seconds."""

_REFRESH_DAYS, _FORGET_DAYS = 7, 60
_BIG = 1 << 17
"""Bytes from which reading a file in another thread saves more than it costs."""


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
        self.files_read = 0
        """How many files were read, since their digests were not known."""

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def digests(self, files: Sequence[FileToHash]) -> list[bytes]:
        """Return the digests of files, in their order.

        Raises StepError for a file that cannot be read, is no regular file any more, or was
        changed while it was read.
        """
        wanted = {_identity(file.status): file for file in files if file.status.st_size}
        known = self._recall(wanted) if wanted else {}
        unknown = {which: file for which, file in wanted.items() if which not in known}
        if unknown:
            began = self._clock()
            fresh = dict(zip(unknown, _hash_all(list(unknown.values())), strict=True))
            self.files_read += len(unknown)
            self._remember(unknown, fresh, began)
            known.update(fresh)
        self._attributes.update((i, h.attributes) for i, h in known.items() if h.attributes)
        return [
            known[_identity(file.status)].digest if file.status.st_size else EMPTY for file in files
        ]

    def attributes(self, status: os.stat_result) -> bytes:
        """Return the attributes of a file that is not empty, after :meth:`digests` of it."""
        return self._attributes.get(_identity(status), b"") if self._attributes else b""

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
            if is_settled(file.status, began)
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


def _hash_all(files: Sequence[FileToHash]) -> list[Hashed]:
    attributes = [read_attributes(file.path) for file in files]
    return list(map(Hashed, _contents(files), attributes))


def _contents(files: Sequence[FileToHash]) -> list[bytes]:
    threads = min(os.cpu_count() or 1, 8)
    if threads < 2 or sum(_is_big(file) for file in files) < 2:  # noqa: PLR2004 -- nothing beside
        return [hash_file(file) for file in files]
    from concurrent.futures import ThreadPoolExecutor  # a no-op reads nothing

    with ThreadPoolExecutor(threads) as pool:
        begun = [pool.submit(hash_file, file) if _is_big(file) else None for file in files]
        return [
            hash_file(file) if future is None else future.result()
            for file, future in zip(files, begun, strict=True)
        ]


def _is_big(file: FileToHash) -> bool:
    return file.status.st_size >= _BIG


def read_attributes(path: Path | str) -> bytes:
    """Encode a path's own ``user.*`` attributes and capabilities; empty where it has none.

    Labels that a machine puts on its files (SELinux, ACLs) are not among them. A path that has gone
    has none.
    """
    try:
        names = os.listxattr(path, follow_symlinks=False)
        found: list[digests.Canonical] = [
            [name, os.getxattr(path, name, follow_symlinks=False)]
            for name in sorted(names)
            if name.startswith("user.") or name == "security.capability"
        ]
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENOENT, errno.ENODATA}:
            return b""
        message = f"cannot read the attributes of {os.fspath(path)}: {error.strerror}"
        raise StepError(message) from error
    return digests.canonical(found) if found else b""


def hash_file(file: FileToHash) -> bytes:
    """Read a file and return its raw SHA-256; errors as in :meth:`FileDigests.digests`."""
    try:
        # What replaced the file meanwhile is neither followed nor waited for.
        fd = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            result = _sha256(fd, file.status.st_size)
            after = os.fstat(fd)
        finally:
            os.close(fd)
    except OSError as error:
        message = f"cannot read {os.fspath(file.path)}: {error.strerror}"
        raise StepError(message) from error
    if not stat.S_ISREG(after.st_mode) or _identity(after) != _identity(file.status):
        message = f"{os.fspath(file.path)} changed while it was being read"
        raise StepError(message, hint="build again when nothing writes to the build context")
    return result


def _sha256(fd: int, size: int) -> bytes:
    """Hash what can be read; a file as small as most are in one piece, known to be its last."""
    hashed = hashlib.sha256()
    wanted = min(size + 1, _BIG)
    while piece := os.read(fd, wanted):
        hashed.update(piece)
        size -= len(piece)
        if not size and len(piece) < wanted:
            break
    return hashed.digest()
