"""File digests, remembered: a file whose metadata is unchanged is not read again."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mkbuild.context.hashing import SIZE, FileToHash, Hashed, Hasher
from mkbuild.filesystem.diff import Identity, identity
from mkbuild.store.database import Database

EMPTY = hashlib.sha256(b"").digest()

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files_v2 (
    device INTEGER, inode INTEGER, size INTEGER, mtime INTEGER, ctime INTEGER,
    digest BLOB, attributes BLOB, day INTEGER, PRIMARY KEY (device, inode)
) WITHOUT ROWID;
"""

_SECOND = 1_000_000_000
_FINE_GRAIN = 20_000_000
"""Nanoseconds within which two changes may get one timestamp: two ticks of a 100 Hz kernel."""
_COARSE_GRAIN = 2 * _SECOND
"""The same for file systems that keep whole (FAT: even) seconds."""

_UNSIGNED = 1 << 64
_REFRESH_DAYS, _FORGET_DAYS = 7, 60


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
        self._attributes: dict[Identity, bytes] = {}
        self._unsettled: set[Identity] = set()
        self._hasher = Hasher()
        self.files_read = 0
        """How many files were read, since their digests were not known."""

    def close(self) -> None:
        """Close the database, and end what reads files."""
        self._database.close()
        self._hasher.close()

    def digests(self, files: Sequence[FileToHash]) -> list[bytes]:
        """Return the digests of files, in their order.

        Raises StepError for a file that cannot be read, is no regular file any more, or was
        changed while it was read.
        """
        identities = [identity(file.status) for file in files]
        wanted = {which: file for which, file in zip(identities, files, strict=True) if which[SIZE]}
        known = self._recall(wanted) if wanted else {}
        unknown = {which: file for which, file in wanted.items() if which not in known}
        if unknown:
            began = self._clock()
            fresh = self._hasher.hash(unknown)
            self.files_read += len(unknown)
            self._unsettled.update(
                which for which, file in unknown.items() if not is_settled(file.status, began)
            )
            self._remember(unknown, fresh, began)
            known.update(fresh)
        self._attributes.update((i, h.attributes) for i, h in known.items() if h.attributes)
        return [known[which].digest if which[SIZE] else EMPTY for which in identities]

    def kept(self, digest: bytes) -> bytes | None:
        """Return the bytes of a file that was read and hashed here, where they were kept."""
        return self._hasher.kept(digest)

    def has_settled(self, status: os.stat_result) -> bool:
        """Whether a file that :meth:`digests` was asked for can't change and keep this status."""
        return not self._unsettled or identity(status) not in self._unsettled

    def attributes(self, status: os.stat_result) -> bytes:
        """Return the attributes of a file that is not empty, after :meth:`digests` of it."""
        return self._attributes.get(identity(status), b"") if self._attributes else b""

    def _recall(self, wanted: Iterable[Identity]) -> dict[Identity, Hashed]:
        by_device: dict[int, list[int]] = {}
        for device, inode, *_ in wanted:
            by_device.setdefault(device, []).append(_signed(inode))
        found: dict[Identity, Hashed] = {}
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
                    which = device, inode % _UNSIGNED, size, mtime, ctime
                    found[which] = Hashed(digest, attributes)
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
        files: Mapping[Identity, FileToHash],
        hashed: Mapping[Identity, Hashed],
        began: int,
    ) -> None:
        if not self._usable:
            return
        today = began // (86400 * _SECOND)
        rows = [
            (*map(_signed, which[:2]), *which[2:], *hashed[which], today)
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


def _signed(number: int) -> int:
    """Give 64 bits the sign that SQLite's integers have, and device and inode numbers have not."""
    return number - _UNSIGNED if number >= _UNSIGNED >> 1 else number


def is_settled(status: os.stat_result, now: int) -> bool:
    """Whether any change made from ``now`` (ns since 1970) on gives a file other timestamps."""
    grain = _FINE_GRAIN if status.st_ctime_ns % _SECOND else _COARSE_GRAIN
    return max(status.st_mtime_ns, status.st_ctime_ns) + grain < now
