"""All caches of an invocation as one: the local one, and any number of shared ones in order."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from mkbuild.action import ActionKey, LayerRecord, StatePair, StepResult
from mkbuild.cache import tocs
from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.patience import Patience
from mkbuild.cache.sharing import Sharing
from mkbuild.cache.tier import Carrier, Tier
from mkbuild.cache.tocs import Inline, Packed, Stored, TocRecord
from mkbuild.digest import Digest
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore
from mkbuild.store.tocs import get_parts

_K = TypeVar("_K")
_V = TypeVar("_V")
_Get = Callable[[KeyValueActionCache, Sequence[_K]], Mapping[_K, _V]]
_Put = Callable[[KeyValueActionCache, Mapping[_K, _V]], None]


class TieredCache:
    """ActionCache over a local cache and shared ones, and the carrier of their blobs.

    A look-up asks the local cache, then each shared one for what is still missing, in one batch
    each; what is found is kept in the caches before it. A result is shared in the background as
    soon as it is put: first the blobs, then the entry that names them. Nothing here raises on I/O:
    a shared cache that fails is a warning, and is left alone; all waiting for shared caches
    together is limited (see mkbuild.cache.patience). ``carriers`` hold layers besides the tiers,
    such as the registry that images are pushed to. Safe to share between threads.
    """

    def __init__(
        self,
        local: KeyValueActionCache,
        tiers: Sequence[Tier],
        *,
        store: BlobStore,
        carriers: Sequence[Carrier] = (),
        patience: Patience | None = None,
    ) -> None:
        self._local = local
        self._tiers = tuple(tiers)
        self._store = store
        own = [tier.carrier for tier in self._tiers if tier.carrier is not None]
        self._carriers = (*own, *carriers)
        self._patience = patience or Patience()
        self._sharing = {id(tier): Sharing(tier.health) for tier in self._tiers}
        self._origins: dict[object, str] = {}
        self._told: set[tuple[int, Digest]] = set()

    def get_steps(self, keys: Sequence[ActionKey]) -> Mapping[ActionKey, StepResult]:
        """Look up step results."""
        return self._get(keys, KeyValueActionCache.get_steps, KeyValueActionCache.put_steps)

    def get_layers(self, pairs: Sequence[StatePair]) -> Mapping[StatePair, LayerRecord]:
        """Look up layers."""
        return self._get(pairs, KeyValueActionCache.get_layers, KeyValueActionCache.put_layers)

    def put_step(self, key: ActionKey, result: StepResult, *, replace: bool = False) -> None:
        """Remember a step result, and share it."""
        self._local.put_step(key, result, replace=replace)

        def share(tier: Tier) -> None:
            if result.toc is not None:
                self._share_toc(tier, result.toc, replace=replace)
            tier.cache.put_step(key, result, replace=replace)

        if not result.lossy:
            self._share(share)

    def put_layer(
        self, pair: StatePair, layer: LayerRecord, *, replace: bool = False, share: bool = True
    ) -> None:
        """Remember a layer, and share it with its blob, unless it must stay on this machine."""
        self._local.put_layer(pair, layer, replace=replace)

        def send(tier: Tier) -> None:
            self._share_toc(tier, layer.toc, replace=replace)
            if self._send(tier, layer.digest, None, self._store):
                tier.cache.put_layer(pair, layer, replace=replace)

        if share:
            self._share(send, layer.size)

    def get_bases(self, names: Sequence[Digest]) -> Mapping[Digest, Digest]:
        """Look up the TOCs of base layers by their diff IDs (or another digest of their content).

        So a machine that only copies onto a base needs no layer of it.
        """
        return self._get(names, KeyValueActionCache.get_bases, KeyValueActionCache.put_bases)

    def put_base(self, name: Digest, toc: Digest, *, replace: bool = False) -> None:
        """Remember the TOC of a base layer, and share it."""
        self._local.put_bases({name: toc}, replace=replace)

        def share(tier: Tier) -> None:
            self._share_toc(tier, toc, replace=replace)
            tier.cache.put_bases({name: toc}, replace=replace)

        self._share(share)

    def came_from(self, key: ActionKey | StatePair | Digest) -> str | None:
        """Return which shared cache a hit of this run came from; None for the local one."""
        return self._origins.get(key)

    def fetch(self, digest: Digest, size: int) -> bool:
        """Bring a layer's blob into the local store; False where no cache has it."""
        carriers = [carrier for carrier in self._carriers if carrier.takes(None)]
        return self._store.has(digest) or self._fetch(carriers, digest, size, self._store)

    def fetch_tocs(self, wanted: Iterable[Digest], *, contents: bool) -> frozenset[Digest]:
        """Bring TOCs into the local store; returns which of them are there then.

        Without ``contents`` the structure is enough, and is all that is fetched of a big one.
        """
        todo = dict.fromkeys(wanted)
        there = {toc for toc in todo if self._has_toc(toc, contents=contents)}
        for tier in self._tiers:
            missing = [toc for toc in todo if toc not in there]
            for toc, record in self._ask(tier, missing, KeyValueActionCache.get_tocs).items():
                if self._fetch_toc(tier, record, contents=contents):
                    there.add(toc)
        return frozenset(there)

    def available(self, layers: Iterable[LayerRecord]) -> frozenset[Digest]:
        """Return the digests of those layers whose blob is here, or in a shared cache."""
        wanted = frozenset(layer.digest for layer in layers)
        there = frozenset(digest for digest in wanted if self._store.has(digest))
        for carrier in self._carriers:
            if carrier.takes(None):
                there |= self._patient_has(carrier, wanted - there)
        return there

    def _patient_has(self, carrier: Carrier, wanted: frozenset[Digest]) -> frozenset[Digest]:
        if not (wanted and carrier.health.usable):
            return frozenset()
        try:
            return self._patience.call(lambda: carrier.has_many(wanted), len(wanted))
        except OSError as error:
            carrier.health.fail(error)
            return frozenset()

    @property
    def shares_layers(self) -> bool:
        """Whether some other machine can have a layer that is put."""
        shared = any(tier.writable and tier.health.usable for tier in self._tiers)
        return shared and any(carrier.keeps_layers for carrier in self._carriers)

    def flush(self) -> None:
        """Wait until all results are shared, as long as that is reasonable."""
        for sharing in self._sharing.values():
            sharing.flush(self._patience)

    def close(self) -> None:
        """Close all caches; what is not shared by now may stay unshared."""
        for tier in self._tiers:
            tier.health.retire()
        for cache in (self._local, *(tier.cache for tier in self._tiers)):
            cache.close()

    def _get(
        self,
        keys: Sequence[_K],
        get: "_Get[_K, _V]",
        put: "_Put[_K, _V]",
    ) -> Mapping[_K, _V]:
        found = dict(get(self._local, keys))
        for position, tier in enumerate(self._tiers):
            missing = [key for key in keys if key not in found]
            got = self._ask(tier, missing, get)
            if not got:
                continue
            found.update(got)
            self._origins.update(dict.fromkeys(got, tier.health.name))
            put(self._local, got)
            for faster in self._tiers[:position]:
                self._back_fill(faster, got, put)
        return found

    def _back_fill(self, tier: Tier, got: Mapping[_K, _V], put: "_Put[_K, _V]") -> None:
        if tier.writable:
            self._sharing[id(tier)].submit(lambda: put(tier.cache, got))

    def _ask(self, tier: Tier, keys: Sequence[_K], get: "_Get[_K, _V]") -> Mapping[_K, _V]:
        if not (keys and tier.readable and tier.health.usable):
            return {}
        try:
            return self._patience.call(lambda: get(tier.cache, keys), len(keys))
        except OSError as error:
            tier.health.fail(error)
            return {}

    def _share(self, job: Callable[[Tier], None], size: int = 0) -> None:
        for tier in self._tiers:
            if tier.writable:
                self._sharing[id(tier)].submit(lambda tier=tier: job(tier), size)  # type: ignore[misc]

    def _share_toc(self, tier: Tier, toc: Digest, *, replace: bool) -> None:
        told = (id(tier), toc)
        if told in self._told or (not replace and toc in tier.cache.get_tocs([toc])):
            return
        blobs = MemoryBlobStore()
        record = tocs.pack(self._store, toc, blobs)
        if record is None:
            return
        if all(self._send(tier, ref.digest, ref.size, blobs) for ref in record.refs()):
            tier.cache.put_toc(record, replace=replace)
            self._told.add(told)

    def _send(self, tier: Tier, digest: Digest, size: int | None, source: BlobStore) -> bool:
        """Bring a blob to where the readers of a tier find it: there, or to another carrier.

        ``size`` is None for a layer, which belongs only where any size is welcome.
        """
        if tier.carrier is not None and tier.carrier.takes(size):
            return tier.carrier.send(digest, source)
        return any(
            carrier.send(digest, source) for carrier in self._carriers if carrier.takes(size)
        )

    def _has_toc(self, toc: Digest, *, contents: bool) -> bool:
        parts = get_parts(self._store, toc)
        return (
            parts is not None
            and self._store.has(parts.structure)
            and (not contents or self._store.has(parts.contents))
        )

    def _fetch_toc(self, tier: Tier, record: TocRecord, *, contents: bool) -> bool:
        parts = record.parts
        done = self._fetch_part(tier, parts.structure, record.structure)
        if contents or isinstance(record.contents, Inline):
            done = done and self._fetch_part(tier, parts.contents, record.contents)
        if done:
            self._store.put(parts.pointer())
        return done

    def _fetch_part(self, tier: Tier, part: Digest, packed: Packed) -> bool:
        if self._store.has(part):
            return True
        try:
            match packed:
                case Inline(data):
                    tocs.unpack(part, data, self._store)
                case Stored(digest, size):
                    blobs = MemoryBlobStore()
                    if not self._fetch(self._carriers_for(tier), digest, size, blobs):
                        return False
                    tocs.unpack(part, blobs.read(digest), self._store)
        except ValueError as error:
            tier.health.complain(f"a TOC of {tier.health.name} does not count: {error}")
            return False
        return True

    def _fetch(
        self, carriers: Iterable[Carrier], digest: Digest, size: int, into: BlobStore
    ) -> bool:
        """Fetch a blob from the first that has it; what was waited in vain costs patience."""
        for carrier in carriers:
            started = time.monotonic()
            if self._patience.left and carrier.fetch(digest, size, into):
                return True
            self._patience.spend(time.monotonic() - started)
        return False

    def _carriers_for(self, tier: Tier) -> list[Carrier]:
        """List the carriers that may hold a tier's blobs, its own one first."""
        own = [tier.carrier] if tier.carrier is not None else []
        return own + [carrier for carrier in self._carriers if carrier is not tier.carrier]
