"""A shared cache and what it can do; a carrier that is asked no more after it failed."""

import threading
from collections.abc import Iterable

from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.health import Health
from mkbuild.cache.protocol import BlobCarrier
from mkbuild.digest import Digest
from mkbuild.frozen import frozen
from mkbuild.store.protocol import BlobStore


class Carrier:
    """A BlobCarrier that never raises on I/O, and sends each blob once.

    ``limit``: it takes blobs up to that many bytes; None: of any size, so also layers.
    ``readable``: it may be asked and fetched from; ``writable``: it may be sent to.
    """

    def __init__(
        self,
        blobs: BlobCarrier,
        health: Health,
        *,
        limit: int | None = None,
        readable: bool = True,
        writable: bool = True,
    ) -> None:
        self.health = health
        self._limit = limit
        self._readable = readable
        self._writable = writable
        self._blobs = blobs
        self._sent: dict[Digest, bool] = {}
        self._sending: dict[Digest, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def keeps_layers(self) -> bool:
        """Whether layers can be sent to it."""
        return self._limit is None and self._writable and self.health.usable

    def takes(self, size: int | None) -> bool:
        """Whether it may hold blobs of some bytes; None asks for any size, as layers have."""
        return self._limit is None or (size is not None and size <= self._limit)

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Bring a blob into a store; False where that fails, for whatever reason."""
        if not (self._readable and self.health.usable):
            return False
        try:
            return self._blobs.fetch(digest, size, into)
        except OSError as error:
            self.health.fail(error)
        except ValueError as error:
            self.health.complain(f"a blob of {self.health.name} does not count: {error}")
        return False

    def has_many(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return which blobs are there, as far as it can be told."""
        return self._has_many(list(digests)) if self._readable else frozenset()

    def _has_many(self, wanted: list[Digest]) -> frozenset[Digest]:
        if not (wanted and self.health.usable):
            return frozenset()
        try:
            return self._blobs.has_many(wanted)
        except (OSError, ValueError) as error:
            self.health.fail(error)
            return frozenset()

    def send(self, digest: Digest, source: BlobStore) -> bool:
        """Bring a blob there from a store; True where it is there afterwards.

        Callers that want the same blob there at the same time wait for the first of them.
        """
        with self._lock:
            one_at_a_time = self._sending.setdefault(digest, threading.Lock())
        with one_at_a_time:
            if digest not in self._sent:
                self._sent[digest] = self._send(digest, source)
            return self._sent[digest]

    def _send(self, digest: Digest, source: BlobStore) -> bool:
        if not (self._writable and self.health.usable):
            return False
        try:
            self._blobs.send(digest, source)
        except KeyError:  # not here: perhaps another machine has brought it there
            return digest in self._has_many([digest])
        except (OSError, ValueError) as error:
            self.health.fail(error)
            return False
        return True


@frozen
class Tier:
    """One shared cache: its entries, and its blobs where it keeps any."""

    cache: KeyValueActionCache
    health: Health
    carrier: Carrier | None = None
    readable: bool = True
    writable: bool = True
