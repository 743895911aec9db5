"""Turns a layer's tar into its TOC and, where asked for, a tree on disk.

No path of an archive reaches the kernel: each is cleaned and resolved as a value first, inside a
view of what the layer has brought so far (OCI image spec, layer.md "Applying Changesets"). Its
symlinks, hard links and ``..`` therefore lead nowhere but into the layer itself, as with a tar
that is unpacked in a root of its own.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mkbuild.digest import Digest
from mkbuild.errors import BuildError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.frozen import frozen
from mkbuild.snapshot import contents, xattrs
from mkbuild.snapshot.compression import open_decompressed
from mkbuild.snapshot.layerview import IMPLICIT, OWN, LayerView, Limits
from mkbuild.snapshot.readahead import ReadAhead
from mkbuild.snapshot.tarreader import Header, TarReader
from mkbuild.snapshot.treewriter import TreeWriter

_TYPES = {
    "0": toc.FILE,
    "7": toc.FILE,
    "2": toc.SYMLINK,
    "3": toc.CHAR,
    "4": toc.BLOCK,
    "5": toc.DIRECTORY,
    "6": toc.FIFO,
}
_WHITEOUT, _OPAQUE, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."


@frozen
class LayerContent:
    """What a layer holds.

    ``dependent``: TOC or tree hold something of the base (a hard link to one of its files, a
    directory that the layer leaves out), so the tree is good above this base only.
    """

    toc: Toc
    dependent: bool


Locate = Callable[[Located], str]
"""Finds the file on this machine that holds a regular file's bytes."""


def unpack(  # noqa: PLR0913 -- what a disk and a base are
    raw: BinaryIO,
    tree: Path | None,
    *,
    base: Index | None = None,
    locate: Locate | None = None,
    limits: Limits | None = None,
    archives: bool = False,
    userxattr: bool = False,
    single_id: bool = False,
) -> tuple[LayerContent, Digest]:
    """Read a (compressed) layer; returns its content and diff ID.

    ``archives``: accept what ADD accepts too (bzip2, xz). Otherwise as :func:`read_layer`.
    """
    limits = limits or Limits()
    blocks = open_decompressed(raw, limit=limits.size, archives=archives)
    with ReadAhead(blocks) as ahead:
        content = read_layer(
            iter(ahead),
            tree,
            base=base,
            locate=locate,
            limits=limits,
            userxattr=userxattr,
            single_id=single_id,
        )
        return content, ahead.digest()


def read_layer(  # noqa: PLR0913 -- what a disk and a base are
    blocks: Iterator[bytes],
    tree: Path | None,
    *,
    base: Index | None = None,
    locate: Locate | None = None,
    limits: Limits | None = None,
    userxattr: bool = False,
    single_id: bool = False,
) -> LayerContent:
    """Read a layer's tar, and write it to ``tree``, an empty directory, in overlay form.

    ``base``: the state below, which gives directories that the layer leaves out their attributes,
    and with ``locate`` the files that it links to; without it, such a link is an error. Raises
    ArchiveError for anything that the archive does wrong, BuildError where the disk gives out.
    """
    if tree is None:
        return _Reader(LayerView(None, base, limits or Limits()), locate).read(TarReader(blocks))
    try:
        with TreeWriter(tree, userxattr=userxattr, single_id=single_id) as writer:
            view = LayerView(writer, base, limits or Limits())
            return _Reader(view, locate).read(TarReader(blocks))
    except OSError as error:
        message = f"cannot unpack a layer: {error}"
        raise BuildError(message) from error


class _Reader:
    """A layer being read into its view."""

    def __init__(self, view: LayerView, locate: Locate | None) -> None:
        self._view = view
        self._locate = locate
        self._whiteouts: dict[str, None] = {}
        self._opaque: dict[str, None] = {}

    def read(self, reader: TarReader) -> LayerContent:
        for header in reader:
            self._view.at = header.name
            self._view.budget(len(header.name) + len(header.link))
            self._entry(header, reader)
        entries = self._finish()
        if self._view.writer is not None:
            self._view.writer.finish()
        embedded = {p: data for p, data in self._view.embedded.items() if p in self._view.index}
        return LayerContent(toc.make(entries, embedded), self._view.dependent)

    def _entry(self, header: Header, reader: TarReader) -> None:
        path = _clean(header.name)
        if not path and header.type != "5":
            self._view.fail("the root of an archive must be a directory")
        if _WHITEOUT in path and self._marker(path):
            return
        path = self._view.place(path)
        if header.type == "1":
            self._hardlink(path, _clean(header.link))
            return
        kind = _TYPES[header.type]
        if kind == toc.CHAR and header.device == (0, 0):
            # On disk it would be one.
            self._whiteouts[path] = None
            return
        entry = Entry(
            path,
            kind,
            header.mode if kind != toc.SYMLINK else 0o777,
            header.uid,
            header.gid,
            header.size if kind == toc.FILE else 0,
            header.mtime,
            header.link if kind == toc.SYMLINK else "",
            header.device if kind in {toc.CHAR, toc.BLOCK} else None,
            self._xattrs(header) if header.xattrs else (),
        )
        self._view.put(entry, reader.content())

    def _xattrs(self, header: Header) -> tuple[tuple[str, bytes], ...]:
        pairs = tuple(pair for pair in header.xattrs if xattrs.kept(pair[0]))
        if not all(xattrs.valid(*pair) for pair in pairs):
            self._view.fail("capabilities that are none")
        return pairs

    def _hardlink(self, path: str, target: str) -> None:
        """Make a path another name of an entry of this layer, or a copy of one of the base."""
        leader = self._view.resolve(target, follow_last=False)
        if leader == path and leader in self._view.index:
            return
        found = self._view.index.get(leader)
        if found is None or found.origin == IMPLICIT:
            self._foreign(path, target)
            return
        if found.entry.type == toc.DIRECTORY:
            self._view.fail("a hard link to a directory")
        self._view.link(path, leader)

    def _foreign(self, path: str, target: str) -> None:
        below = None
        if self._view.base is not None:
            try:
                below = self._view.base.get(self._view.base.resolve(target, follow_last=False))
            except StepError as error:
                self._view.fail(error.message)
        if below is None or below.entry.type == toc.DIRECTORY:
            self._view.fail(f"a hard link to {target!r}, which does not exist")
        self._view.dependent = True
        entry = below.entry._replace(path=path)
        if entry.type != toc.FILE:
            self._view.put(entry, ())
        elif self._locate is not None:
            self._view.put(
                entry, contents.pieces(contents.open_file(self._locate(below)), entry.size)
            )
        elif self._view.writer is None and entry.content is not None:
            if path in self._view.index:
                self._view.remove(path)
            self._view.index.put(Located(entry, OWN, self._view.inode()))
        else:
            self._view.fail(f"a hard link to {target!r} of another layer")

    def _marker(self, path: str) -> bool:
        """Take a whiteout or opaque marker; returns False for an ordinary name."""
        parts = path.split("/")
        name = parts.pop()
        if any(part.startswith(_AUFS) for part in parts):
            return True
        if any(part.startswith(_WHITEOUT) for part in parts):
            self._view.fail("a whiteout that holds entries")
        if not name.startswith(_WHITEOUT):
            return False
        if name.startswith(_AUFS):
            # Aufs's own files (.wh..wh.plnk and others) say nothing here.
            if name == _OPAQUE:
                self._view.check(path)
                self._opaque[self._view.resolve("/".join(parts))] = None
            return True
        if name[len(_WHITEOUT) :] in {"", ".", ".."}:
            self._view.fail("a whiteout of nothing, or of a directory itself")
        self._view.check("/".join([*parts, name[len(_WHITEOUT) :]]))
        parent = self._view.resolve("/".join(parts))
        hidden = name[len(_WHITEOUT) :]
        self._whiteouts[f"{parent}/{hidden}" if parent else hidden] = None
        return True

    def _finish(self) -> list[Entry]:
        """Return the entries, markers included, and put those on disk."""
        self._view.at = "markers"
        for path in self._opaque:
            self._mark(path)
        if "" in self._opaque and self._view.base is not None:
            # Overlayfs does not look for the mark on a layer's root.
            self._whiteouts.update(dict.fromkeys(self._view.base.children("")))
            self._view.dependent = True
        hidden = [path for path in self._whiteouts if self._hides(path)]
        for path in hidden:
            self._hide(path)
        leaders: dict[str, str] = {}
        entries = [Entry(path, toc.WHITEOUT) for path in hidden]
        for entry, origin, inode in self._view.index.walk():
            if origin == IMPLICIT:
                continue
            leader = leaders.setdefault(inode, entry.path)
            entries.append(
                entry if leader == entry.path else Entry(entry.path, toc.HARDLINK, link=leader)
            )
        return entries

    def _hides(self, path: str) -> bool:
        """Whether a whiteout is kept: one of what the layer itself brings is a replacement."""
        found, at = self._view.index.get(path), path
        if found is not None:
            if found.entry.type == toc.DIRECTORY:
                self._mark(path)
            return False
        while found is None:
            at = at.rpartition("/")[0]
            if at in self._whiteouts:
                # All of that is hidden already.
                return False
            found = self._view.index.get(at)
        return found.entry.type == toc.DIRECTORY

    def _mark(self, path: str) -> None:
        """Make a directory opaque; what is below something else is hidden by that."""
        if not path:
            return
        at, found = path, self._view.index.get(path)
        while found is None:
            at = at.rpartition("/")[0]
            found = self._view.index.get(at)
        if found.entry.type != toc.DIRECTORY:
            return
        if at != path:
            self._view.make(path)
            found = self._view.index.get(path)
            assert found is not None  # noqa: S101 -- just made
        entry = found.entry._replace(opaque=True)
        self._view.index.put(Located(entry, OWN, found.inode if found.origin else f"/{path}"))
        if self._view.writer is not None:
            self._view.writer.directory(entry, exists=True)

    def _hide(self, path: str) -> None:
        """Put a whiteout on disk; where the base has no such directory, it hides nothing."""
        parent = path.rpartition("/")[0]
        if parent not in self._view.index:
            if self._view.base is not None:
                below = self._view.base.get(parent)
                if below is None or below.entry.type != toc.DIRECTORY:
                    self._view.dependent = True
                    return
            self._view.make(parent)
        if self._view.writer is not None:
            self._view.writer.whiteout(path)


def _clean(name: str) -> str:
    """Make a path relative, without ``.``, ``..`` or empty parts; ``..`` stops at the root."""
    name = name.rstrip("/")
    if not name or (name[0] not in "./" and "//" not in name and "/." not in name):
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
