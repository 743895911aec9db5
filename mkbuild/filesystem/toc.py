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
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError

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


@dataclass(frozen=True, slots=True)
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
        columns = [document.get(name, ()) for name in _COLUMNS]
        _check_columns(*columns)
        entries = [Entry(*row) for row in zip(*columns, strict=True)]
        for i, link in document["link"]:
            entries[i] = entries[i]._replace(link=_checked(link, str))
        for i, major, minor in document["device"]:
            device = (_checked(major, int), _checked(minor, int))
            entries[i] = entries[i]._replace(device=device)
        for i in document["opaque"]:
            entries[i] = entries[i]._replace(opaque=True)
        for i, pairs in document["xattrs"]:
            xattrs = tuple((_checked(name, str), bytes.fromhex(value)) for name, value in pairs)
            entries[i] = entries[i]._replace(xattrs=xattrs)
        embedded = {path: base64.b64decode(data) for path, data in document["embedded"].items()}
        _check_entries(entries)
        if contents is not None:
            _fill(entries, contents)
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
    return Toc(tuple(entries), embedded)


_T = TypeVar("_T")
_LETTERS = frozenset((DIRECTORY, FILE, SYMLINK, CHAR, BLOCK, FIFO, HARDLINK, WHITEOUT))
_RANGES = ((0, 0o7777), (0, (1 << 32) - 2), (0, (1 << 32) - 2), (0, 1 << 62), (-(1 << 34), 1 << 34))
# In one string of all paths, each between NULs, these tell of a path that is not clean.
_UNCLEAN = ("//", "/\0", "\0/", "/./", "/../", "\0./", "\0../", "/.\0", "/..\0", "\0.\0", "\0..\0")


def _fill(entries: list[Entry], contents: bytes) -> None:
    files = [i for i, entry in enumerate(entries) if entry.type == FILE]
    if len(contents) != 32 * len(files):
        message = f"{len(contents)} bytes of digests for {len(files)} files"
        raise ValueError(message)
    for i, position in zip(files, range(0, len(contents), 32), strict=True):
        entries[i] = entries[i]._replace(content=contents[position : position + 32])


def _checked(value: object, kind: type[_T]) -> _T:
    if type(value) is not kind:
        message = f"{value!r:.100} is not of type {kind.__name__}"
        raise TypeError(message)
    return value


def _check_columns(paths: Sequence[str], types: str, *numbers: Sequence[int]) -> None:
    """Check whole columns at a time: there are a hundred thousand entries."""
    joined = "\0" + "\0".join(paths) + "\0"
    joined.encode("utf-8", "surrogateescape")
    if (paths and joined.count("\0") != len(paths) + 1) or any(bad in joined for bad in _UNCLEAN):
        raise ValueError("a path that is not clean")
    keys = list(map(order, paths))
    if any(map(operator.ge, keys, keys[1:])) or (len(keys) > 1 and not all(keys[1:])):
        raise ValueError("paths out of order")
    if not _LETTERS.issuperset(types) or (types and type(types) is not str):
        raise ValueError("an unknown type")
    for column, (low, high) in zip(numbers, _RANGES, strict=True):
        if column and (set(map(type, column)) != {int} or min(column) < low or max(column) > high):
            raise ValueError("a number out of range")


def _check_entries(entries: Sequence[Entry]) -> None:
    leaders: set[str] = set()
    for entry in entries:
        if entry.type == HARDLINK:
            if entry.link not in leaders:
                message = f"a hard link to {entry.link!r}, which is no file before it"
                raise ValueError(message)
        elif entry.type not in {DIRECTORY, WHITEOUT}:
            leaders.add(entry.path)
        _check_members(entry)


def _check_members(entry: Entry) -> None:
    device = entry.device
    if (device is not None) != (entry.type in {CHAR, BLOCK}) or (
        device is not None and not (0 <= device[0] < 1 << 12 and 0 <= device[1] < 1 << 20)
    ):
        raise ValueError("a device that is none")
    if entry.link:
        entry.link.encode("utf-8", "surrogateescape")
    if bool(entry.link) != (entry.type in {SYMLINK, HARDLINK}) or "\0" in entry.link:
        raise ValueError("a link that is none")
    if entry.opaque and entry.type != DIRECTORY:
        raise ValueError("opaque, and no directory")
    if not entry.path and entry.type != DIRECTORY:
        raise ValueError("a root that is no directory")


def digest_of(structure: bytes, contents: bytes) -> Digest:
    """Digest of a TOC: what a state ID is made of and a StepResult names."""
    return digests.of_value(DOMAIN, [digests.of(structure), digests.of(contents)])
