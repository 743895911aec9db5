"""An action cache over one key-value store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from mkbuild import digest as digests
from mkbuild.action import ActionKey, LayerRecord, StatePair, StepResult
from mkbuild.cache import codec
from mkbuild.cache.protocol import BlobRef, KeyValue, Record
from mkbuild.digest import Digest

_K = TypeVar("_K")
_V = TypeVar("_V")


class Signer(Protocol):
    """Signs entries and checks them, as :class:`mkbuild.cache.signing.HmacSigner` does."""

    def sign(self, name: str, value: bytes) -> bytes:
        """Return a value with its signature; the name holds the entry's kind, scope and key."""
        ...

    def verify(self, name: str, signed: bytes) -> bytes:
        """Return the value without its signature; raises ValueError where it is not valid."""
        ...


class KeyValueActionCache:
    """ActionCache over one store; what cannot be had or read is a miss.

    ``scopes``: the first is written, all are read, the first one first; a scope is part of every
    entry's name, so caches of different scopes see nothing of each other. ``shared``: other
    machines see the store, so lossy results stay away from it, and those in it do not count.
    ``warn`` is told of the first thing that goes wrong; a store that fails is not asked again.
    """

    def __init__(  # noqa: PLR0913 -- all but the store are keywords
        self,
        store: KeyValue,
        *,
        warn: Callable[[str], None],
        signer: Signer | None = None,
        scopes: Sequence[str] = ("",),
        shared: bool = False,
        writable: bool = True,
    ) -> None:
        self.name = store.name
        self.usable = True
        """False after the store failed: nothing is looked up or stored any more."""
        self._store = store
        self._warn = warn
        self._signer = signer
        self._scopes = tuple(scopes)
        self._shared = shared
        self._writable = writable
        self._warned = False

    def get_steps(self, keys: Sequence[ActionKey]) -> Mapping[ActionKey, StepResult]:
        """Look up step results in one batch."""
        found = self._get("step", {key: _hex(key) for key in keys}, codec.decode_step)
        return {key: step for key, step in found.items() if not (step.lossy and self._shared)}

    def put_step(
        self,
        key: ActionKey,
        result: StepResult,
        *,
        replace: bool = False,
        blobs: Sequence[BlobRef] = (),
    ) -> None:
        """Remember a step result; ``blobs`` are those it names."""
        if not (result.lossy and self._shared):
            self._put("step", _hex(key), Record(codec.encode_step(result), tuple(blobs)), replace)

    def get_layers(self, pairs: Sequence[StatePair]) -> Mapping[StatePair, LayerRecord]:
        """Look up layers in one batch."""
        return self._get("layer", {pair: _hex_of_pair(pair) for pair in pairs}, codec.decode_layer)

    def put_layer(
        self,
        pair: StatePair,
        layer: LayerRecord,
        *,
        replace: bool = False,
        blobs: Sequence[BlobRef] = (),
    ) -> None:
        """Remember a layer; ``blobs`` are those it names."""
        record = Record(codec.encode_layer(layer), tuple(blobs))
        self._put("layer", _hex_of_pair(pair), record, replace)

    def fail(self, error: Exception) -> None:
        """Ask the store no more in this run: it failed, or its user found it too slow."""
        self.usable = False
        self._complain(f"{self.name} is not used any more: {error}")

    def _get(
        self, kind: str, keys: Mapping[_K, str], decode: Callable[[bytes], _V]
    ) -> Mapping[_K, _V]:
        if not (keys and self.usable):
            return {}
        try:
            values = self._store.get_many(
                [_name(kind, scope, key) for scope in self._scopes for key in keys.values()]
            )
        except (OSError, ValueError) as error:
            self.fail(error)
            return {}
        found: dict[_K, _V] = {}
        for scope in self._scopes:
            for key, text in keys.items():
                name = _name(kind, scope, text)
                if key not in found and name in values:
                    self._read(found, key, name, values[name], decode)
        return found

    def _read(
        self,
        found: dict[_K, _V],
        key: _K,
        name: str,
        value: bytes,
        decode: Callable[[bytes], _V],
    ) -> None:
        try:
            found[key] = decode(value if self._signer is None else self._signer.verify(name, value))
        except ValueError as error:
            self._complain(f"an entry of {self.name} does not count: {error}")

    def _put(self, kind: str, key: str, record: Record, replace: bool) -> None:  # noqa: FBT001
        if not (self._writable and self.usable):
            return
        name = _name(kind, self._scopes[0], key)
        if self._signer is not None:
            record = Record(self._signer.sign(name, record.value), record.blobs)
        try:
            self._store.put_many({name: record}, replace=replace)
        except (OSError, ValueError) as error:
            self.fail(error)

    def _complain(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(message)


def _name(kind: str, scope: str, key: str) -> str:
    return f"{kind}-{scope}-{key}" if scope else f"{kind}-{key}"


def _hex(key: ActionKey) -> str:
    return digests.hex_of(Digest(key))


def _hex_of_pair(pair: StatePair) -> str:
    return digests.hex_of(digests.of_value("mkbuild.pair.v1", list(pair)))
