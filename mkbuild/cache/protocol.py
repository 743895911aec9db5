"""What an action cache and the key-value stores below it promise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from mkbuild.action import ActionKey, LayerRecord, StatePair, StepResult
from mkbuild.digest import Digest
from mkbuild.frozen import frozen
from mkbuild.store.protocol import BlobStore


@frozen
class BlobRef:
    """A blob that an entry needs: ``size`` in bytes, ``media_type`` for stores that keep one."""

    digest: Digest
    size: int
    media_type: str


@frozen
class Record:
    """An entry to store: its value, and the blobs it names, so that a store keeps them with it."""

    value: bytes
    blobs: tuple[BlobRef, ...] = ()


class KeyValue(Protocol):
    """Small values (below 64 kB) by key: ``[a-z0-9._-]+``, at most 128 characters.

    A store that is down, slow or answers garbage raises OSError or ValueError; callers count that
    as a miss. Expired entries are absent.
    """

    name: str
    """How messages call this store; never holds a credential."""

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up any number of keys in as few round trips as the store can; misses are absent."""
        ...

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries; existing ones stay as they are unless ``replace``.

        The blobs that they name are there already.
        """
        ...

    def close(self) -> None:
        """Close connections and files; they are opened again where the store is used again."""
        ...


class BlobCarrier(Protocol):
    """Moves blobs between machines. Errors as in :class:`KeyValue`."""

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Bring a blob into a local store, digest checked; False where it is not to be had.

        ``size`` in bytes; a longer blob is given up.
        """
        ...

    def has_many(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        """Return which of some blobs are there."""
        ...

    def send(self, digest: Digest, source: BlobStore) -> None:
        """Bring a blob from a local store there; a no-op where it is there already."""
        ...


class ActionCache(Protocol):
    """The two maps of DESIGN section 5. A miss is an absent key; nothing here raises on I/O."""

    def get_steps(self, keys: Sequence[ActionKey]) -> Mapping[ActionKey, StepResult]:
        """Look up step results, all in one batch."""
        ...

    def put_step(self, key: ActionKey, result: StepResult, *, replace: bool = False) -> None:
        """Remember a step result; the first one stays unless ``replace``."""
        ...

    def get_layers(self, pairs: Sequence[StatePair]) -> Mapping[StatePair, LayerRecord]:
        """Look up layers by their pair of states."""
        ...

    def put_layer(self, pair: StatePair, layer: LayerRecord, *, replace: bool = False) -> None:
        """Remember a layer."""
        ...
