"""The layer index (TOC): what a diff or a layer holds, entry by entry.

Two blobs make a TOC: the *structure* (every attribute but contents) and the *contents* (the raw
SHA-256 of every regular file, 32 bytes each, in order). Only ``COPY --from`` needs the second, so
a machine that merely resolves destinations fetches the first. Both are canonical: the same diff
has the same bytes.
"""

import base64
import json
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import compress, count, repeat
from typing import Any, NamedTuple, TypeVar

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.frozen import frozen

DIRECTORY, FILE, SYMLINK, CHAR, BLOCK, FIFO = "d", "f", "l", "c", "b", "p"
HARDLINK, WHITEOUT = "h", "w"

EMBEDDED = ("etc/passwd", "etc/group")
"""Files whose contents travel inside the structure, so that ``--chown=name`` needs no layer."""

EMBED_LIMIT = 1 << 20

DOMAIN = "mkbuild.toc.v1"
"""What a TOC's digest is hashed in; also the first member of its pointer (mkbuild.store.tocs)."""


class Entry(NamedTuple):
    """One path of a diff; a named tuple because there are a hundred thousand of them.

    ``path``: relative, without ``.`` or ``..``, surrogateescape for bytes that are not UTF-8;
    the root directory is ``""``. ``type``: one of the letters above. ``mode``: 12 permission bits.
    ``mtime``: whole seconds since 1970. ``link``: a symlink's target, or the path of the entry a
    hard link shares its inode with (the first of its inode in path order is the file).
    ``device``: major and minor of a device. ``xattrs``: sorted name/value pairs. ``content``: raw
    SHA-256 of a regular file. ``opaque``: a directory that hides what is below it.
    """

    path: str
    type: str
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    device: tuple[int, int] | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    content: bytes | None = None
    opaque: bool = False


@frozen
class Toc:
    """Entries sorted by path components, and the contents of :data:`EMBEDDED` files among them."""

    entries: tuple[Entry, ...]
    embedded: Mapping[str, bytes] = field(default_factory=dict)


def embeds(entry: Entry) -> bool:
    """Whether a file's content is to travel inside the structure."""
    return entry.path in EMBEDDED and entry.type == FILE and entry.size <= EMBED_LIMIT


def order(path: str) -> str:
    """Sort key: a directory directly before what it holds, names by code point."""
    return path.replace("/", "\0")


def make(entries: Iterable[Entry], embedded: Mapping[str, bytes] | None = None) -> Toc:
    """Make a TOC of entries in any order."""
    return Toc(tuple(sorted(entries, key=lambda entry: order(entry.path))), embedded or {})


_COLUMNS = ("path", "type", "mode", "uid", "gid", "size", "mtime")
# Rare members are kept as [index, value] pairs: a column of them would be mostly defaults.


def encode(toc: Toc) -> tuple[bytes, bytes]:
    """Return the structure and the contents of a TOC, both canonical."""
    entries = toc.entries
    document: dict[str, Any] = {"version": 1}
    for name, column in zip(_COLUMNS, zip(*entries, strict=True), strict=False):
        document[name] = "".join(column) if name == "type" else list(column)
    document["link"] = [[i, e.link] for i, e in enumerate(entries) if e.link]
    document["device"] = [[i, *e.device] for i, e in enumerate(entries) if e.device is not None]
    document["opaque"] = [i for i, e in enumerate(entries) if e.opaque]
    document["xattrs"] = [
        [i, [[name, value.hex()] for name, value in e.xattrs]]
        for i, e in enumerate(entries)
        if e.xattrs
    ]
    document["embedded"] = {
        path: base64.b64encode(data).decode() for path, data in sorted(toc.embedded.items())
    }
    structure = json.dumps(document, separators=(",", ":")).encode()
    return structure, b"".join(e.content for e in entries if e.content is not None)


def decode(structure: bytes, contents: bytes | None) -> Toc:
    """Read a TOC; without contents every file's ``content`` is None.

    Raises ArchiveError for whatever :func:`encode` would not write: TOCs come from shared caches.
    """
    try:
        document = json.loads(structure)
        if document["version"] != 1:
            message = f"a TOC of version {document['version']}; this mkbuild reads version 1"
            raise ArchiveError(message)
        paths, types, *numbers = [document.get(name, ()) for name in _COLUMNS]
        _check_columns(paths, types, *numbers)
        links = _spread(document["link"], "", len(paths))
        devices: list[tuple[int, ...] | None] = _spread(
            ([i, tuple(pair)] for i, *pair in document["device"]), None, len(paths)
        )
        opaque = _spread(([i, True] for i in document["opaque"]), False, len(paths))
        xattrs: list[tuple[tuple[str, bytes], ...]] = _spread(
            ([i, _xattrs(pairs)] for i, pairs in document["xattrs"]), (), len(paths)
        )
        _check_links(paths, types, links)
        _check_rest(paths, types, devices, opaque)
        digest = _contents(types, contents)
        rows = zip(paths, types, *numbers, links, devices, xattrs, digest, opaque, strict=True)
        # As Entry._make: rows are of its length, so nothing of Python has to run for each.
        entries: tuple[Entry, ...] = tuple(map(tuple.__new__, repeat(Entry), rows))
        embedded = {path: base64.b64decode(data) for path, data in document["embedded"].items()}
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        message = f"a TOC that cannot be read: {error}"
        raise ArchiveError(message) from error
    return Toc(entries, embedded)


_LINKED, _DEVICES = frozenset((SYMLINK, HARDLINK)), frozenset((CHAR, BLOCK))
_LETTERS = frozenset((DIRECTORY, FILE, SYMLINK, CHAR, BLOCK, FIFO, HARDLINK, WHITEOUT))
_RANGES = ((0, 0o7777), (0, (1 << 32) - 2), (0, (1 << 32) - 2), (0, 1 << 62), (-(1 << 34), 1 << 34))
# In one string of all paths, each between slashes, these tell of one that is not clean.
_UNCLEAN = ("\0", "//", "/./", "/../")
_T = TypeVar("_T")


def _spread(pairs: Iterable[Sequence[Any]], default: _T, length: int) -> list[_T]:
    """Make a column of pairs of index and value."""
    column = [default] * length
    for i, value in pairs:
        if type(i) is not int or i < 0:
            message = f"{i!r:.100} is no index"
            raise ValueError(message)
        column[i] = value
    return column


def _xattrs(pairs: Iterable[Sequence[str]]) -> tuple[tuple[str, bytes], ...]:
    found = tuple((name, bytes.fromhex(value)) for name, value in pairs)
    if any(type(name) is not str for name, _ in found):
        raise TypeError("an extended attribute without a name")
    return found


def _contents(types: str, contents: bytes | None) -> list[bytes | None]:
    if contents is None:
        return [None] * len(types)
    files = types.count(FILE)
    if len(contents) != 32 * files:
        message = f"{len(contents)} bytes of digests for {files} files"
        raise ValueError(message)
    digest = (contents[at : at + 32] for at in range(0, len(contents), 32))
    return [next(digest) if letter == FILE else None for letter in types]


def _check_columns(paths: Sequence[str], types: str, *numbers: Sequence[int]) -> None:
    """Check whole columns at a time: there are a hundred thousand entries."""
    below = paths if paths and paths[0] else paths[1:]
    joined = f"/{'/'.join(below)}/" if below else ""
    joined.encode("utf-8", "surrogateescape")
    if any(bad in joined for bad in _UNCLEAN):
        raise ValueError("a path that is not clean")
    keys = list(map(order, paths))
    if any(map(operator.ge, keys, keys[1:])):
        raise ValueError("paths out of order")
    if not _LETTERS.issuperset(types) or (types and type(types) is not str):
        raise ValueError("an unknown type")
    for column, (low, high) in zip(numbers, _RANGES, strict=True):
        if not column:
            continue
        values = set(column)
        if set(map(type, column)) != {int} or min(values) < low or max(values) > high:
            raise ValueError("a number out of range")


def _check_links(paths: Sequence[str], types: str, links: Sequence[str]) -> None:
    """Check that symlinks and hard links have targets, hard links a file that stands before."""
    places: dict[str, int] | None = None
    linked = [i for i, letter in enumerate(types) if letter in _LINKED]
    if linked != list(compress(count(), links)):
        raise ValueError("a link that is none")
    for i in linked:
        letter, link = types[i], links[i]
        if "\0" in link:
            raise ValueError("a link that is none")
        link.encode("utf-8", "surrogateescape")
        if letter == HARDLINK:
            if places is None:
                places = {path: place for place, path in enumerate(paths)}
            leader = places.get(link, i)
            if leader >= i or types[leader] in {DIRECTORY, HARDLINK, WHITEOUT}:
                message = f"a hard link to {link!r}, which is no file before it"
                raise ValueError(message)


def _check_rest(
    paths: Sequence[str],
    types: str,
    devices: Sequence[tuple[int, ...] | None],
    opaque: Sequence[bool],
) -> None:
    given = [(i, device) for i, device in enumerate(devices) if device is not None]
    if [i for i, letter in enumerate(types) if letter in _DEVICES] != [i for i, _ in given]:
        raise ValueError("a device that is none")
    for _, (major, minor) in given:
        if {type(major), type(minor)} != {int} or not (
            0 <= major < 1 << 12 and 0 <= minor < 1 << 20
        ):
            raise ValueError("a device out of range")
    if any(types[i] != DIRECTORY for i in compress(count(), opaque)):
        raise ValueError("opaque, and no directory")
    if paths and not paths[0] and types[0] != DIRECTORY:
        raise ValueError("a root that is no directory")


def digest_of(structure: bytes, contents: bytes) -> Digest:
    """Digest of a TOC: what a state ID is made of and a StepResult names."""
    return digests.of_value(DOMAIN, [digests.of(structure), digests.of(contents)])
