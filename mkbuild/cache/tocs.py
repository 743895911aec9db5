"""TOCs on their way between machines: compressed, small ones inside their entry.

A shared cache has a third map, TOC digest → :class:`TocRecord`. It says which structure and
contents make the TOC, and where each is: in the record itself, or a blob of its own (zstd). What
comes out is checked against the TOC's digest, so nobody needs to trust a record.
"""

import io
from typing import TypeAlias

from mkbuild import digest as digests
from mkbuild.cache.protocol import BlobRef
from mkbuild.cache.transfer import commit
from mkbuild.digest import Digest
from mkbuild.frozen import frozen
from mkbuild.store.protocol import BlobStore
from mkbuild.store.tocs import TocParts, get_parts

INLINE_LIMIT = 16 << 10
"""Bytes of a compressed part up to which it travels inside the record: both fit a value."""

_MAX_PART = 256 << 20
"""Bytes that a part may have when it is decompressed: some millions of entries."""

_LEVEL = 9
"""zstd: about 8 bytes a structure's entry, at 30 MB/s."""

_MEDIA_TYPE = "application/vnd.mkbuild.toc.v1+zstd"


@frozen
class Inline:
    """A compressed part inside its record."""

    data: bytes


@frozen
class Stored:
    """A compressed part that is a blob."""

    digest: Digest
    size: int

    def ref(self) -> BlobRef:
        """Return how an entry names the blob."""
        return BlobRef(self.digest, self.size, _MEDIA_TYPE)


Packed: TypeAlias = Inline | Stored


@frozen
class TocRecord:
    """What a TOC is made of, and where the parts are."""

    parts: TocParts
    structure: Packed
    contents: Packed

    def digest(self) -> Digest:
        """Return the digest of the TOC that this record describes."""
        return digests.of(self.parts.pointer())

    def refs(self) -> tuple[BlobRef, ...]:
        """Return the blobs that the record needs."""
        packed = (self.structure, self.contents)
        return tuple(part.ref() for part in packed if isinstance(part, Stored))


def pack(source: BlobStore, toc: Digest, blobs: BlobStore) -> TocRecord | None:
    """Describe a TOC of a store, putting the parts too big for the record into ``blobs``.

    None where a part of the TOC is not in the store.
    """
    parts = get_parts(source, toc)
    if parts is None:
        return None
    try:
        return TocRecord(
            parts,
            _pack(source.read(parts.structure), blobs),
            _pack(source.read(parts.contents), blobs),
        )
    except KeyError:
        return None


def _pack(data: bytes, blobs: BlobStore) -> Packed:
    import zstandard  # a no-op build shares nothing

    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    return Inline(packed) if len(packed) <= INLINE_LIMIT else Stored(blobs.put(packed), len(packed))


def unpack(part: Digest, packed: bytes, into: BlobStore, limit: int = _MAX_PART) -> None:
    """Store a part of a TOC; ValueError where the compressed bytes are not it."""
    import zstandard  # as above

    with into.writer() as writer:
        try:
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as reader:
                done = 0
                while chunk := reader.read(1 << 20):
                    done += len(chunk)
                    if done > limit:
                        message = f"a part of a TOC has more than {limit} bytes"
                        raise ValueError(message)
                    writer.write(chunk)
        except zstandard.ZstdError as error:
            message = f"a part of a TOC cannot be decompressed: {error}"
            raise ValueError(message) from error
        commit(writer, part)
