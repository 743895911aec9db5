"""SQLite as mkbuild uses it: for what can be computed again, so that it is never worth failing.

A file that is corrupt is moved aside and begun anew. Write-ahead logging lets any number of
processes read while one writes; a commit survives ``kill -9`` (not necessarily a power cut).
"""

import contextlib
import errno
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from mkbuild.store.locks import exclusive

_T = TypeVar("_T")

_BUSY_SECONDS = 5.0
_SIDE_FILES = ("-wal", "-shm")
_ERRNO = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_IOERR: errno.EIO,
}


class Database:
    """One SQLite file, opened when it is first used; safe to share between threads.

    ``schema`` is run at each opening and must be idempotent (``CREATE TABLE IF NOT EXISTS``); a new
    layout of a table is a new table, so that different versions of mkbuild share a file.
    ``warn`` is told when a corrupt file was replaced. A database that is locked for longer than 5 s
    or whose file cannot be opened or written raises OSError (with errno where there is one).
    """

    def __init__(self, path: Path, schema: str, warn: Callable[[str], None]) -> None:
        self.path = path
        self._lock_path = path.with_name(f"{path.name}.lock")
        self._schema = schema
        self._warn = warn
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def select(self, query: str, parameters: Sequence[object] = ()) -> list[Any]:
        """Run a query; returns its rows."""
        return self._guarded(lambda connection: connection.execute(query, parameters).fetchall())

    def write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Run a statement once per row, all in one transaction."""

        def run(connection: sqlite3.Connection) -> None:
            with connection:
                # An early write lock: a deferred one can fail at once where it is upgraded.
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(statement, rows)

        if rows:
            self._guarded(run)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _guarded(self, action: Callable[[sqlite3.Connection], _T]) -> _T:
        with self._lock:
            try:
                return action(self._open())
            except sqlite3.DatabaseError as error:
                self._close()
                if not _is_corrupt(error):
                    raise self._os_error(error) from error
                try:
                    self._replace(error)
                    return action(self._open())
                except sqlite3.DatabaseError as again:
                    self._close()
                    raise self._os_error(again) from again

    def _os_error(self, error: sqlite3.DatabaseError) -> Exception:
        if _code(error) == sqlite3.SQLITE_ERROR:
            return error  # a mistake in a statement, not in the file
        found = OSError(f"cannot use {self.path}: {error}")
        found.errno = _ERRNO.get(_code(error))
        return found

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # One at a time: the change of a new file to write-ahead logging waits for nobody.
            with exclusive(self._lock_path):
                self._connection = _connect(self.path)
                self._connection.executescript(self._schema)
        return self._connection

    def _replace(self, error: sqlite3.DatabaseError) -> None:
        """Move the file aside, unless another process has done so since."""
        with exclusive(self._lock_path):
            if self._is_sound():
                return
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            for suffix in ("", *_SIDE_FILES):
                with contextlib.suppress(FileNotFoundError):
                    Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        self._warn(f"{self.path} is corrupt ({error}): moved to {aside.name}, begun anew")

    def _is_sound(self) -> bool:
        try:
            with contextlib.closing(_connect(self.path)) as connection:
                return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
        except sqlite3.DatabaseError:
            return False


def _code(error: sqlite3.DatabaseError) -> int:
    # Errors that the module raises by itself have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _is_corrupt(error: sqlite3.DatabaseError) -> bool:
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
