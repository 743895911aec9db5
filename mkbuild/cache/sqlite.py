"""The local key-value store: SQLite, shared by all processes of a machine."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mkbuild.cache.protocol import Record
from mkbuild.store.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries_v1 (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
"""

DEFAULT_TTL = 14 * 86400
"""Seconds that an entry lives after its last use, in every back end."""


class SqliteKeyValue:
    """KeyValue in one SQLite file; a corrupt one is replaced (see mkbuild.store.database).

    ``ttl``: seconds since its last use after which an entry is gone; 0: never. A use is noted only
    where the last note is older than a fourteenth of that, so that a no-op build writes nothing.
    ``clock``: seconds since 1970.
    """

    def __init__(
        self,
        path: Path,
        *,
        ttl: int = DEFAULT_TTL,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = f"the local cache {path}"
        self._database = Database(path, _SCHEMA, warn)
        self._ttl = ttl
        self._clock = clock

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up keys with one query; OSError where the database is locked or unreadable."""
        if not keys:
            return {}
        now = int(self._clock())
        rows = self._database.select(
            "SELECT e.key, e.value, e.used FROM json_each(?) AS j"
            " CROSS JOIN entries_v1 AS e ON e.key = j.value",
            (json.dumps(list(keys)),),
        )
        found = {key: (value, used) for key, value, used in rows if not self._expired(used, now)}
        stale = [(now, k) for k, (_, used) in found.items() if used + self._ttl // 14 < now]
        if self._ttl:
            self._database.write("UPDATE entries_v1 SET used = ? WHERE key = ?", stale)
        return {key: value for key, (value, _) in found.items()}

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries in one transaction; an expired one counts as absent."""
        now = int(self._clock())
        oldest = now - self._ttl if self._ttl else 0
        self._database.write(
            "INSERT INTO entries_v1 VALUES (?, ?, ?) ON CONFLICT (key)"
            " DO UPDATE SET value = excluded.value, used = excluded.used"
            " WHERE ? OR used < ?",
            [(key, record.value, now, replace, oldest) for key, record in records.items()],
        )

    def collect(self) -> int:
        """Delete what has expired; returns how many entries remain."""
        if self._ttl:
            self._database.write(
                "DELETE FROM entries_v1 WHERE used < ?", [(int(self._clock()) - self._ttl,)]
            )
        return int(self._database.select("SELECT count(*) FROM entries_v1")[0][0])

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self._database.close()

    def _expired(self, used: int, now: int) -> bool:
        return bool(self._ttl) and used + self._ttl < now
