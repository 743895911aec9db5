"""An action cache over one key-value store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from mkbuild import digest as digests
from mkbuild.action import ActionKey, LayerRecord, StatePair, StepResult
from mkbuild.cache import codec
from mkbuild.cache.health import Health
from mkbuild.cache.protocol import BlobRef, KeyValue, Record
from mkbuild.cache.tocs import TocRecord
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
    A store that fails is not asked again, see :class:`mkbuild.cache.health.Health`.
    """

    def __init__(  # noqa: PLR0913 -- all but the first two are keywords
        self,
        store: KeyValue,
        health: Health,
        *,
        signer: Signer | None = None,
        scopes: Sequence[str] = ("",),
        shared: bool = False,
        writable: bool = True,
    ) -> None:
        self._store = store
        self._health = health
        self._signer = signer
        self._scopes = tuple(scopes)
        self._shared = shared
        self._writable = writable

    def get_steps(self, keys: Sequence[ActionKey]) -> Mapping[ActionKey, StepResult]:
        """Look up step results in one batch."""
        found = self._get("step", {key: _hex(key) for key in keys}, codec.decode_step)
        return {key: step for key, step in found.items() if not (step.lossy and self._shared)}

    def put_step(self, key: ActionKey, result: StepResult, *, replace: bool = False) -> None:
        """Remember a step result."""
        self.put_steps({key: result}, replace=replace)

    def put_steps(self, results: Mapping[ActionKey, StepResult], *, replace: bool = False) -> None:
        """Remember step results in one batch."""
        records = {
            _hex(key): Record(codec.encode_step(result))
            for key, result in results.items()
            if not (result.lossy and self._shared)
        }
        self._put("step", records, replace=replace)

    def get_layers(self, pairs: Sequence[StatePair]) -> Mapping[StatePair, LayerRecord]:
        """Look up layers in one batch."""
        return self._get("layer", {pair: _hex_of_pair(pair) for pair in pairs}, codec.decode_layer)

    def put_layer(self, pair: StatePair, layer: LayerRecord, *, replace: bool = False) -> None:
        """Remember a layer."""
        self.put_layers({pair: layer}, replace=replace)

    def put_layers(self, layers: Mapping[StatePair, LayerRecord], *, replace: bool = False) -> None:
        """Remember layers in one batch."""
        records = {
            _hex_of_pair(pair): Record(
                codec.encode_layer(layer), (BlobRef(layer.digest, layer.size, layer.media_type),)
            )
            for pair, layer in layers.items()
        }
        self._put("layer", records, replace=replace)

    def get_bases(self, names: Sequence[Digest]) -> Mapping[Digest, Digest]:
        """Look up the TOCs of base layers by a digest that names what is in them: a diff ID."""
        return self._get("base", {name: digests.hex_of(name) for name in names}, codec.decode_base)

    def put_bases(self, tocs: Mapping[Digest, Digest], *, replace: bool = False) -> None:
        """Remember the TOCs of base layers."""
        records = {
            digests.hex_of(name): Record(codec.encode_base(toc)) for name, toc in tocs.items()
        }
        self._put("base", records, replace=replace)

    def get_tocs(self, wanted: Sequence[Digest]) -> Mapping[Digest, TocRecord]:
        """Look up where TOCs are (shared stores alone say so), in one batch."""
        found = self._get("toc", {toc: digests.hex_of(toc) for toc in wanted}, codec.decode_toc)
        return {toc: record for toc, record in found.items() if record.digest() == toc}

    def put_toc(self, toc: TocRecord, *, replace: bool = False) -> None:
        """Tell where a TOC is, or what it is."""
        record = Record(codec.encode_toc(toc), toc.refs())
        self._put("toc", {digests.hex_of(toc.digest()): record}, replace=replace)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _get(
        self, kind: str, keys: Mapping[_K, str], decode: Callable[[bytes], _V]
    ) -> dict[_K, _V]:
        if not (keys and self._health.usable):
            return {}
        try:
            values = self._store.get_many(
                [_name(kind, scope, key) for scope in self._scopes for key in keys.values()]
            )
        except (OSError, ValueError) as error:
            self._health.fail(error)
            return {}
        found: dict[_K, _V] = {}
        for scope in self._scopes:
            for key, text in keys.items():
                name = _name(kind, scope, text)
                if key not in found and name in values:
                    value = self._read(name, values[name], decode)
                    if value is not None:
                        found[key] = value
        return found

    def _read(self, name: str, value: bytes, decode: Callable[[bytes], _V]) -> _V | None:
        try:
            return decode(value if self._signer is None else self._signer.verify(name, value))
        except ValueError as error:
            self._health.complain(f"an entry of {self._health.name} does not count: {error}")
            return None

    def _put(self, kind: str, records: Mapping[str, Record], *, replace: bool) -> None:
        if not (records and self._writable and self._health.usable):
            return
        named = {_name(kind, self._scopes[0], key): record for key, record in records.items()}
        if self._signer is not None:
            named = {
                name: Record(self._signer.sign(name, record.value), record.blobs)
                for name, record in named.items()
            }
        try:
            self._store.put_many(named, replace=replace)
        except (OSError, ValueError) as error:
            self._health.fail(error)


def _name(kind: str, scope: str, key: str) -> str:
    return f"{kind}-{scope}-{key}" if scope else f"{kind}-{key}"


def _hex(key: ActionKey) -> str:
    return digests.hex_of(Digest(key))


def _hex_of_pair(pair: StatePair) -> str:
    return digests.hex_of(digests.of_value("mkbuild.pair.v1", list(pair)))
