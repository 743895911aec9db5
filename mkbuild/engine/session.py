"""The parts that one invocation works with, opened when they are needed and closed in the end."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from mkbuild.buildfile.target import CacheSettings
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.context.digests import FileDigests
from mkbuild.errors import BuildError
from mkbuild.events import Event, Message, PhaseFinished, Reporter
from mkbuild.sandbox.namespace import held_ids, in_user_namespace
from mkbuild.snapshot.trees import TreeStore
from mkbuild.store import temp
from mkbuild.store.files import FileStore
from mkbuild.store.locks import Lease
from mkbuild.store.temp import TempArea
from mkbuild.store.unsynced import MANY

_KNOWN = "cache.sqlite"


def is_new(storage: Path) -> bool:
    """Whether nothing was built with a storage yet, so that no base is known there."""
    return not (storage / _KNOWN).exists()


def make_storage(storage: Path) -> None:
    """Make the storage's directory where there is none; raises BuildError where it cannot be."""
    with _using(storage):
        storage.mkdir(mode=0o700, parents=True, exist_ok=True)


@contextmanager
def _using(storage: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"the storage {storage} cannot be used: {error.strerror}"
        hint = "--storage DIR names another place, where this user may write"
        raise BuildError(message, hint=hint) from error


class Session:
    """Store, cache, temporary files and reporter of one invocation.

    While it is open it holds a lease, so that no garbage collection takes what it uses. Opening
    one clears away what processes left behind that were killed.
    """

    def __init__(self, storage: Path, reporter: Reporter, settings: CacheSettings) -> None:
        """Open the store, of which nothing is read yet; BuildError where it cannot be used."""
        self.storage = storage
        self._reporter = reporter
        self._settings = settings
        self._emitting = threading.Lock()
        make_storage(storage)
        with _using(storage):
            self._lease = Lease(storage)
            temp.sweep(storage)
            self.store = FileStore(storage)
            self.store.settle()
            self.scratch = TempArea(storage)

    @cached_property
    def trees(self) -> TreeStore:
        """Unpacked layers and the results of steps."""
        trees = TreeStore(
            self.storage / "snapshots", userxattr=self.userxattr, single_id=self.single_id
        )
        trees.clean()
        return trees

    @cached_property
    def known(self) -> SqliteKeyValue:
        """The local key-value store."""
        return SqliteKeyValue(self.storage / _KNOWN, ttl=self._settings.ttl, warn=self.warn)

    @cached_property
    def digests(self) -> FileDigests:
        """Digests of context files, remembered."""
        return FileDigests(self.storage / "digests.sqlite", warn=self.warn)

    @cached_property
    def userxattr(self) -> bool:
        """Whether overlays are mounted in a user namespace, or by nobody (who is not root)."""
        return in_user_namespace() or os.geteuid() != 0

    @cached_property
    def single_id(self) -> bool:
        """Whether there is but one user id to give files to."""
        return held_ids() == 1 or os.geteuid() != 0

    def emit(self, event: Event) -> None:
        """Report an event, from any thread."""
        with self._emitting:
            self._reporter.emit(event)

    def warn(self, text: str) -> None:
        """Report a warning."""
        self.emit(Message("warning", text))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Report how long a part of the run took, however it ended."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.emit(PhaseFinished(name, time.monotonic() - started))

    def directory(self) -> Path:
        """Make a temporary directory that lasts as long as the session."""
        path = self.scratch.name()
        path.mkdir(mode=0o700)
        return path

    def close(self) -> None:
        """Remove temporary files, and let go of the store."""
        self.scratch.close()
        self.store.unsynced.sync(MANY)
        self.store.close()
        if "digests" in self.__dict__:
            self.digests.close()
        self._lease.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Close. An error of writing names no file: it gets the place of all that is written."""
        if isinstance(error, OSError) and error.errno and error.filename is None:
            error.filename = str(self.storage)
        self.close()
