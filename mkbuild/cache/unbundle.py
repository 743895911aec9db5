"""Reads bundles (:mod:`mkbuild.cache.bundle`), trusting nothing but digests, and signatures.

Names in a bundle are never paths here: an entry goes into the database, a blob into the store
under the digest of its bytes.
"""

import contextlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from mkbuild import digest as digests
from mkbuild.action import LayerRecord, StepResult
from mkbuild.cache import codec, tocs
from mkbuild.cache.actions import Signer
from mkbuild.cache.protocol import KeyValue, Record
from mkbuild.cache.tocs import Inline, Packed, TocRecord
from mkbuild.cache.transfer import CHUNK, receive
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.frozen import frozen
from mkbuild.snapshot.compression import open_decompressed
from mkbuild.snapshot.tarreader import TarReader
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore
from mkbuild.store.tocs import get_parts

Entry: TypeAlias = StepResult | LayerRecord | Digest | TocRecord
"""What an entry says; a digest is the TOC of a base layer."""

_DECODERS: dict[str, Callable[[bytes], Entry]] = {
    "step": codec.decode_step,
    "layer": codec.decode_layer,
    "base": codec.decode_base,
    "toc": codec.decode_toc,
}
_ENTRY = re.compile(r"ac/([a-z0-9._-]{1,128})\Z")
_OWN = re.compile(r"(step|layer|base|toc)-[0-9a-f]{64}\Z")
_BLOB = re.compile(r"cas/([0-9a-f]{64})\Z")
_FOLDERS = {"", ".", "ac", "cas"}
_MAX_VALUE = 1 << 16
_MAX_ENTRIES = 1 << 29
"""Bytes of all entries together: half a million of them."""
_MAX_PART = 64 << 20
"""Bytes of a compressed part of a TOC: millions of entries."""
_MAX_ARCHIVE = 1 << 50


@frozen
class Member:
    """A file of a bundle; what is not read of it is passed over."""

    path: str
    chunks: Iterator[bytes] = field(repr=False)


@frozen
class Brought:
    """What a bundle brought: new entries, those that were here, those that do not count.

    ``blobs`` and ``bytes`` are new ones, as they came. ``complaint`` says what is wrong with the
    first of the ``refused``.
    """

    entries: int
    known: int
    refused: int
    blobs: int
    bytes: int
    complaint: str = ""


def read_directory(root: Path) -> Iterator[Member]:
    """Yield the files of a directory, entries first."""
    for folder in ("ac", "cas"):
        try:
            paths = sorted((root / folder).iterdir())
        except FileNotFoundError:
            continue
        for path in paths:
            # What begins with a dot is being written by somebody.
            if not path.name.startswith("."):
                yield Member(f"{folder}/{path.name}", _chunks(path))


def _chunks(path: Path) -> Iterator[bytes]:
    """Read a file in pieces: no link, and nothing that could block."""
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:  # collected meanwhile
        return
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise ArchiveError(f"{path} is no regular file")
        while chunk := os.read(opened, CHUNK):
            yield chunk
    finally:
        os.close(opened)


def read_tar(stream: BinaryIO) -> Iterator[Member]:
    """Yield the files of a tar, plain, gzip or zstd, in its order; raises ArchiveError."""
    reader = TarReader(open_decompressed(stream, limit=_MAX_ARCHIVE))
    for header in reader:
        path = header.name.removeprefix("./")
        if header.type == "5" and path.rstrip("/") in _FOLDERS:
            continue
        if header.type != "0":
            raise _foreign(header.name)
        yield Member(path, map(bytes, reader.content()))


def _foreign(path: str) -> ArchiveError:
    return ArchiveError(
        f"it holds {path!r}, which is neither an entry nor a blob of a cache",
        hint="expected what mkbuild cache export writes, or a cache of type directory",
    )


def unbundle(
    members: Iterable[Member], known: KeyValue, store: BlobStore, signer: Signer | None = None
) -> Brought:
    """Take over the entries of a bundle whose blobs came with it, or are in the store.

    An entry that is here stays, unless what it names is gone. Raises ArchiveError where this is no
    bundle: nothing counts then. OSError where it or the store cannot be read or written.
    """
    work = _Unbundling(store, signer)
    for member in members:
        if found := _ENTRY.match(member.path):
            work.entry(found[1], member.chunks)
        elif found := _BLOB.match(member.path):
            work.blob(digests.from_hex(found[1]), member.chunks)
        else:
            raise _foreign(member.path)
    return work.finish(known)


class _Unbundling:
    """One bundle on its way in: entries are kept until all blobs have come."""

    def __init__(self, store: BlobStore, signer: Signer | None) -> None:
        self._store = store
        self._signer = signer
        self._entries: dict[str, tuple[bytes, Entry]] = {}
        self._layers: dict[Digest, int] = {}
        self._parts: dict[Digest, tuple[Digest, int]] = {}
        self._left = _MAX_ENTRIES
        self._bad: Counter[str] = Counter()
        self._blobs = 0
        self._bytes = 0

    def entry(self, name: str, chunks: Iterator[bytes]) -> None:
        """Read an entry, and note which blobs it needs."""
        data = bytearray()
        for chunk in chunks:
            data += chunk
            if len(data) > _MAX_VALUE:
                return self._refuse(f"{name} is too long")
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveError(f"its entries have more than {_MAX_ENTRIES} bytes")
        kind = _OWN.match(name)
        if kind is None:  # of another scope
            return self._refuse(f"{name} is of a scope, or a kind, that is not ours")
        try:
            value = bytes(data) if self._signer is None else self._signer.verify(name, bytes(data))
            entry = _DECODERS[kind[1]](value)
            self._want(name, entry)
        except ValueError as error:
            return self._refuse(f"{name}: {error}")
        self._entries[name] = (value, entry)
        return None

    def _want(self, name: str, entry: Entry) -> None:
        if isinstance(entry, StepResult) and entry.lossy:
            message = "a result of a sandbox with a single user id stays on its machine"
            raise ValueError(message)
        if isinstance(entry, LayerRecord) and not self._store.has(entry.digest):
            self._layers[entry.digest] = entry.size
        if isinstance(entry, TocRecord):
            if name != f"toc-{digests.hex_of(entry.digest())}":
                message = "it describes another TOC"
                raise ValueError(message)
            self._want_part(entry.parts.structure, entry.structure)
            self._want_part(entry.parts.contents, entry.contents)

    def _want_part(self, part: Digest, packed: Packed) -> None:
        if self._store.has(part):
            return
        if isinstance(packed, Inline):
            tocs.unpack(part, packed.data, self._store)
        elif packed.size <= _MAX_PART:
            self._parts[packed.digest] = (part, packed.size)

    def blob(self, digest: Digest, chunks: Iterator[bytes]) -> None:
        """Take a blob over, where an entry needs it."""
        try:
            if digest in self._layers:
                size = self._layers.pop(digest)
                receive(digest, size, chunks, self._store)
            elif digest in self._parts:
                part, size = self._parts.pop(digest)
                packed = MemoryBlobStore()
                receive(digest, size, chunks, packed)
                tocs.unpack(part, packed.read(digest), self._store)
            else:
                return
        except ValueError as error:
            self._refuse(f"{digest}: {error}")
            return
        self._blobs += 1
        self._bytes += size

    def finish(self, known: KeyValue) -> Brought:
        """Put in the entries that have all they need."""
        for _, entry in self._entries.values():
            if isinstance(entry, TocRecord) and self._has_parts(entry):
                self._store.put(entry.parts.pointer())
        good = {
            name: Record(value)
            for name, (value, entry) in self._entries.items()
            if not isinstance(entry, TocRecord) and self._complete(name, entry)
        }
        here = known.get_many(list(good))
        kept = {name for name, value in here.items() if self._good(name, value)}
        new = {name: record for name, record in good.items() if name not in kept}
        known.put_many(new, replace=True)
        return Brought(
            entries=len(new),
            known=len(kept),
            refused=self._bad.total(),
            blobs=self._blobs,
            bytes=self._bytes,
            complaint=next(iter(self._bad), ""),
        )

    def _complete(self, name: str, entry: Entry) -> bool:
        there = self._has_all(entry)
        if not there:
            self._refuse(f"{name}: what it names is neither in the bundle nor here")
        return there

    def _good(self, name: str, value: bytes) -> bool:
        """Whether an entry that is here is worth more than none."""
        with contextlib.suppress(ValueError):
            return self._has_all(_DECODERS[name.partition("-")[0]](value))
        return False

    def _has_all(self, entry: Entry) -> bool:
        match entry:
            case StepResult():
                return entry.toc is None or self._has_toc(entry.toc)
            case LayerRecord():
                return self._store.has(entry.digest) and self._has_toc(entry.toc)
            case TocRecord():
                return self._has_parts(entry)
            case _:
                return self._has_toc(entry)

    def _has_parts(self, record: TocRecord) -> bool:
        return self._store.has(record.parts.structure) and self._store.has(record.parts.contents)

    def _has_toc(self, toc: Digest) -> bool:
        parts = get_parts(self._store, toc)
        return parts is not None and all(map(self._store.has, (parts.structure, parts.contents)))

    def _refuse(self, why: str) -> None:
        self._bad[why] += 1
