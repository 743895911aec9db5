"""The build context as a tree to copy from: one walk, no contents.

What BuildKit's context transfer makes of a directory: owners become root's, modes stay (setuid,
setgid and sticky too), a socket is an empty file, symlinks are kept as they are, extended
attributes are lost, and hard links stay hard links as far as their names are in the context. The
context's own directory does not count: its mode and owner differ from checkout to checkout.
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from mkbuild.context.digests import EMPTY, FileDigests
from mkbuild.context.hashing import FileToHash, read_attributes
from mkbuild.context.ignore import Ignore, MatchInfo
from mkbuild.errors import UserError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Settled, Source, identity
from mkbuild.filesystem.index import ROOT, Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.frozen import frozen

ORIGIN = "context"
_LARGE = 1 << 18
"""Bytes from which hashing a file once more takes longer than asking whether it is the same."""


class Status(NamedTuple):
    """What the context transfer drops, for ``COPY --archive``."""

    mode: int
    uid: int
    gid: int


class ContextTree:
    """A context that has been walked; implements mkbuild.filesystem.source.SourceTree."""

    def __init__(  # noqa: PLR0913, PLR0917 -- what a walk finds
        self,
        root: Path,
        index: Index,
        statuses: dict[str, os.stat_result],
        digests: FileDigests,
        dropped: Mapping[str, os.stat_result],
        places: Mapping[str, str],
    ) -> None:
        self.root = root
        self._places = places
        self._index = index
        self._statuses = statuses
        self._dropped = dropped
        self._digests = digests
        self._known: dict[str, bytes] = {}

    @property
    def index(self) -> Index:
        """Every path that is not ignored; files have no ``content`` yet."""
        return self._index

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        """Return the raw SHA-256 of files of this context; errors as FileDigests.digests.

        The second time a file is asked for, what it had the first time is returned: what a step
        did is what its key says, and whoever reads the bytes compares.
        """
        known = self._known
        wanted = [
            file.entry.path for file in files if file.entry.size and file.entry.path not in known
        ]
        if wanted:
            statuses = self._statuses
            asked = [FileToHash(self._place(path), statuses[path]) for path in wanted]
            known.update(zip(wanted, self._digests.digests(asked), strict=True))
        return [known[file.entry.path] if file.entry.size else EMPTY for file in files]

    def source(self, file: Located) -> str:
        """Return where a file's bytes are."""
        return self._place(file.entry.path)

    def content(self, file: Located) -> Source:
        """Return a file's bytes, or where they are, after :meth:`digests` of it."""
        path = file.entry.path
        kept = self._digests.kept(self._known.get(path, b""))
        if kept is not None:
            return kept
        status = self._statuses[path]
        if status.st_size < _LARGE or not self._digests.has_settled(status):
            return self._place(path)
        return Settled(self._place(path), identity(status))

    def _place(self, path: str) -> str:
        return self._places.get(path) or f"{self.root}/{path}"

    @property
    def walked(self) -> Mapping[str, os.stat_result]:
        """All that the walk rested on: what is in the context, and directories it looked into."""
        return {**self._statuses, **self._dropped}

    def status(self, path: str) -> Status:
        """Return the real mode and owner of a path of the context; ``""`` is its directory."""
        found = self._statuses[path]
        return Status(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)

    def attributes(self, path: str) -> bytes:
        """Encode the extended attributes of a path whose digest was asked for; empty: none.

        They reach no layer, but count in keys (see mkbuild.context.hashing.read_attributes).
        """
        status = self._statuses[path]
        if stat.S_ISREG(status.st_mode) and status.st_size:
            return self._digests.attributes(status)
        return b"" if stat.S_ISLNK(status.st_mode) else read_attributes(self._place(path))


class Item(Protocol):
    """An entry of a directory, as os.scandir gives it; ``path`` is where it is."""

    @property
    def name(self) -> str:
        """Its name in the directory."""
        ...

    @property
    def path(self) -> str:
        """Where it is."""
        ...

    def is_dir(self, *, follow_symlinks: bool) -> bool:
        """Whether it is a directory."""
        ...

    def stat(self, *, follow_symlinks: bool) -> os.stat_result:
        """Ask what it is."""
        ...


View = Callable[[str, str], Iterable[Item]]
"""Lists a directory of a context, given its path and its place, otherwise than the disk would."""


def scan(
    root: Path, ignore: Ignore | None, digests: FileDigests, view: View | None = None
) -> ContextTree:
    """Walk a context directory (or a symlink to one), leaving out what ``ignore`` excludes.

    An excluded directory stays where something below it is re-included. Files that vanish while
    the walk is under way are left out. Raises UserError where the context is no directory, or part
    of it cannot be read.
    """
    try:
        place = Path(os.path.realpath(root, strict=True))
        walk = _Walk(str(place), ignore, view)
    except OSError as error:
        message = f"cannot read the build context {error.filename or root}: {error.strerror}"
        hint = "a .dockerignore pattern can leave out what the build does not need"
        raise UserError(message, hint=hint) from error
    index = Index.assembled(walk.paths, walk.children)
    return ContextTree(place, index, walk.statuses, digests, walk.dropped, walk.places)


@frozen
class _Directory:
    """A directory still to be walked: its path, where it is, and what patterns matched it."""

    path: str
    place: str
    info: MatchInfo
    excluded: bool


class _Walk:
    """One walk; a stack instead of recursion, since a tree may be deeper than Python's."""

    def __init__(self, root: str, ignore: Ignore | None, view: View | None) -> None:
        self.paths: dict[str, Located] = {"": ROOT}
        self.children: dict[str, dict[str, None]] = {"": {}}
        self.statuses: dict[str, os.stat_result] = {"": Path(root).stat()}
        self.dropped: dict[str, os.stat_result] = {}
        self.places: dict[str, str] = {}
        self._view = view
        self._ignore = ignore or None
        self._todo = [_Directory("", root, MatchInfo(), excluded=False)]
        self._excluded: list[str] = []
        self._names: dict[tuple[int, int], list[str]] = {}
        while self._todo:
            self._walk(self._todo.pop())
        self._drop_empty()
        self._link()

    def _walk(self, directory: "_Directory") -> None:
        prefix = f"{directory.path}/" if directory.path else ""
        names = self.children[directory.path]
        try:
            if self._view is not None:
                for item in self._view(directory.path, directory.place):
                    self._item(prefix + item.name, item, names, directory.info)
                    self.places[prefix + item.name] = item.path
                return
            with os.scandir(directory.place) as found:
                for item in found:
                    self._item(prefix + item.name, item, names, directory.info)
        except FileNotFoundError:
            return
        except PermissionError:
            if not directory.excluded:
                raise

    def _item(self, path: str, item: Item, names: dict[str, None], info: MatchInfo) -> None:
        excluded = False
        if self._ignore is not None:
            excluded, info = self._ignore.step(path, info)
            if excluded and not (
                item.is_dir(follow_symlinks=False) and self._ignore.may_reinclude(path)
            ):
                return
        try:
            status = item.stat(follow_symlinks=False)
            entry = _entry(path, item.path, status)
        except FileNotFoundError:
            return
        names[item.name] = None
        self.paths[path] = Located(entry, ORIGIN, path)
        self.statuses[path] = status
        if entry.type == toc.DIRECTORY:
            self.children[path] = {}
            self._todo.append(_Directory(path, item.path, info, excluded=excluded))
            if excluded:
                self._excluded.append(path)
        elif status.st_nlink > 1:
            self._names.setdefault((status.st_dev, status.st_ino), []).append(path)

    def _drop_empty(self) -> None:
        """Drop excluded directories below which nothing was re-included, deepest first."""
        for path in reversed(self._excluded):
            if not self.children[path]:
                parent, _, name = path.rpartition("/")
                self.dropped[path] = self.statuses.pop(path)
                del self.paths[path], self.children[path]
                del self.children[parent][name]

    def _link(self) -> None:
        """Let the names of one inode share the first of them, as far as they are in the context."""
        for names in self._names.values():
            leader = min(names, key=toc.order)
            for path in names:
                self.paths[path] = self.paths[path]._replace(inode=leader)


def _entry(path: str, place: str, status: os.stat_result) -> Entry:
    kind = stat.S_IFMT(status.st_mode)
    mode, mtime = status.st_mode & 0o7777, status.st_mtime_ns // 1_000_000_000
    if kind == stat.S_IFREG:
        return Entry(path, toc.FILE, mode, 0, 0, status.st_size, mtime)
    if kind == stat.S_IFDIR:
        return Entry(path, toc.DIRECTORY, mode, 0, 0, 0, mtime)
    if kind == stat.S_IFLNK:
        return Entry(path, toc.SYMLINK, mode, 0, 0, 0, mtime, os.readlink(place))  # noqa: PTH115 -- pathlib is slow
    if kind == stat.S_IFIFO:
        return Entry(path, toc.FIFO, mode, 0, 0, 0, mtime)
    if kind == stat.S_IFSOCK:
        return Entry(path, toc.FILE, mode, 0, 0, 0, mtime)
    device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    letter = toc.CHAR if kind == stat.S_IFCHR else toc.BLOCK
    return Entry(path, letter, mode, 0, 0, 0, mtime, "", device)
