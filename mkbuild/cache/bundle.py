"""Entries and the blobs that they need, gathered to be carried elsewhere: a directory or a tar.

The layout is that of :mod:`mkbuild.cache.directory`, so a directory serves as a cache as well. In
a tar the entries stand before the blobs, so that who reads it knows which blobs are of use.
"""

import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.action import ActionKey, LayerRecord, StatePair, StepResult
from mkbuild.cache import tocs
from mkbuild.cache.actions import KeyValueActionCache, Signer
from mkbuild.cache.aging import Aging
from mkbuild.cache.directory import DirectoryCache
from mkbuild.cache.health import Health
from mkbuild.cache.protocol import Record
from mkbuild.digest import Digest
from mkbuild.store.layout import TarSink, add_bytes
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore


class Bundle:
    """Gathers entries; what a store holds of them is read when the bundle is written.

    Lossy results do not get in; with a ``signer`` entries are signed.
    """

    def __init__(self, store: BlobStore, signer: Signer | None = None) -> None:
        self._store = store
        self._packed = MemoryBlobStore()
        self._records = _Records()
        health = Health(_Records.name, _unheard)
        self._cache = KeyValueActionCache(self._records, health, signer=signer, shared=True)

    def add_step(self, key: ActionKey, result: StepResult) -> None:
        """Take a step's result; of no use elsewhere, and left out, where its TOC is gone."""
        if result.lossy or result.toc is None or self._add_toc(result.toc):
            self._cache.put_step(key, result)

    def add_layer(self, pair: StatePair, layer: LayerRecord) -> bool:
        """Take a layer; False where its blob or its TOC is not in the store."""
        there = self._store.has(layer.digest) and self._add_toc(layer.toc)
        if there:
            self._cache.put_layer(pair, layer)
        return there

    def add_base(self, name: Digest, toc: Digest) -> None:
        """Take the TOC of a base layer, where it is here."""
        if self._add_toc(toc):
            self._cache.put_bases({name: toc})

    @property
    def entries(self) -> int:
        """How many results and layers there are; records of their TOCs do not count."""
        return sum(not name.startswith("toc-") for name in self._records.held)

    @property
    def blobs(self) -> Mapping[Digest, int]:
        """The sizes of the blobs that the entries need, in bytes."""
        refs = [ref for record in self._records.held.values() for ref in record.blobs]
        return {ref.digest: ref.size for ref in refs}

    def write_directory(self, path: Path) -> None:
        """Write into a directory, made where needed: what is there already stays. OSError."""
        directory = DirectoryCache(path, aging=Aging(0))
        for digest in sorted(self.blobs):
            directory.send(digest, self._source(digest))
        directory.put_many(self._records.held)

    def write_tar(self, stream: BinaryIO) -> None:
        """Write a tar: equal bundles give equal bytes. Raises OSError."""
        with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            sink = TarSink(archive)
            for name, record in sorted(self._records.held.items()):
                add_bytes(sink, f"ac/{name}", record.value)
            for digest, size in sorted(self.blobs.items()):
                with self._source(digest).open(digest) as content:
                    sink.add(f"cas/{digests.hex_of(digest)}", size, content)

    def _add_toc(self, toc: Digest) -> bool:
        if self._cache.get_tocs([toc]):
            return True
        record = tocs.pack(self._store, toc, self._packed)
        if record is not None:
            self._cache.put_toc(record)
        return record is not None

    def _source(self, digest: Digest) -> BlobStore:
        return self._packed if self._packed.has(digest) else self._store


class _Records:
    """KeyValue that holds what it is given."""

    name = "the bundle"

    def __init__(self) -> None:
        self.held: dict[str, Record] = {}

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        return {key: self.held[key].value for key in keys if key in self.held}

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        for key, record in records.items():
            if replace or key not in self.held:
                self.held[key] = record

    def close(self) -> None:
        pass


def _unheard(message: str) -> None:
    raise AssertionError(message)
