"""The local key-value store: SQLite, shared by all processes of a machine."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mkbuild.cache.aging import DEFAULT_TTL, Aging
from mkbuild.cache.protocol import Record
from mkbuild.store.database import Database

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries_v1 (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID;
"""


class SqliteKeyValue:
    """KeyValue in one SQLite file; a corrupt one is replaced (see mkbuild.store.database).

    ``ttl`` and ``clock`` as in :class:`mkbuild.cache.aging.Aging`.
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
        self._aging = Aging(ttl, clock)

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up keys with one query; OSError where the database is locked or unreadable."""
        if not keys:
            return {}
        rows = self._database.select(
            "SELECT e.key, e.value, e.used FROM json_each(?) AS j"
            " CROSS JOIN entries_v1 AS e ON e.key = j.value",
            (json.dumps(list(keys)),),
        )
        alive = [row for row in rows if not self._aging.expired(row[2])]
        now = self._aging.now()
        self._database.write(
            "UPDATE entries_v1 SET used = ? WHERE key = ?",
            [(now, key) for key, _, used in alive if self._aging.stale(used)],
        )
        return {key: value for key, value, _ in alive}

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries in one transaction; an expired one counts as absent."""
        now = self._aging.now()
        self._database.write(
            "INSERT INTO entries_v1 VALUES (?, ?, ?) ON CONFLICT (key)"
            " DO UPDATE SET value = excluded.value, used = excluded.used"
            " WHERE ? OR used < ?",
            [(key, record.value, now, replace, self._oldest()) for key, record in records.items()],
        )

    def collect(self) -> int:
        """Delete what has expired; returns how many entries remain."""
        self._database.write("DELETE FROM entries_v1 WHERE used < ?", [(self._oldest(),)])
        return int(self._database.select("SELECT count(*) FROM entries_v1")[0][0])

    def close(self) -> None:
        """Close the database; the next use opens it again."""
        self._database.close()

    def _oldest(self) -> int:
        return self._aging.now() - self._aging.ttl if self._aging.ttl else 0
