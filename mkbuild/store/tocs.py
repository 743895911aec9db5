"""TOCs in a blob store.

Three blobs make a TOC: the structure, the contents, and a *pointer* that names both. The pointer
is the very bytes whose SHA-256 the TOC's digest is (see :func:`mkbuild.filesystem.toc.digest_of`),
so a TOC is found under its own digest, checked like any other blob, and no table maps one to the
other.
"""

import re

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.filesystem import toc as tocs
from mkbuild.filesystem.toc import Toc
from mkbuild.frozen import frozen
from mkbuild.store.protocol import BlobStore

_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


@frozen
class TocParts:
    """The digests of the two blobs that make a TOC."""

    structure: Digest
    contents: Digest

    def pointer(self) -> bytes:
        """Return the blob whose digest is the TOC's."""
        return digests.canonical([tocs.DOMAIN, [self.structure, self.contents]])


def parse_pointer(data: bytes) -> TocParts:
    """Read a pointer; raises ValueError for anything but the exact bytes of one."""
    found = [Digest(match.decode()) for match in _DIGEST.findall(data)]
    if len(found) == 2:  # noqa: PLR2004 -- structure and contents
        parts = TocParts(*found)
        if parts.pointer() == data:
            return parts
    message = "not a TOC pointer"
    raise ValueError(message)


def put_toc(store: BlobStore, toc: Toc) -> Digest:
    """Store a TOC, the pointer last, so that what a pointer names is there; returns its digest."""
    structure, contents = tocs.encode(toc)
    parts = TocParts(store.put(structure), store.put(contents))
    return store.put(parts.pointer())


def get_parts(store: BlobStore, digest: Digest) -> TocParts | None:
    """Return which blobs a TOC is made of; None where its pointer is not here (or is none)."""
    try:
        return parse_pointer(store.read(digest))
    except (KeyError, ValueError):
        return None


def get_toc(store: BlobStore, digest: Digest, *, contents: bool) -> Toc | None:
    """Read a TOC; None where a blob of it is absent or corrupt.

    Without ``contents`` only the structure is read, and every file's ``content`` is None.
    """
    parts = get_parts(store, digest)
    if parts is None:
        return None
    try:
        return tocs.decode(
            store.read(parts.structure), store.read(parts.contents) if contents else None
        )
    except (KeyError, ArchiveError):
        return None
