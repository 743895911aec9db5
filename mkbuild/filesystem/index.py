"""The merged view of a state: every path that exists, without unpacking anything.

An :class:`Index` is made of TOCs, applied one on the other as layers are (OCI image spec,
layer.md "Applying Changesets"). It answers what a real filesystem would: does a path exist, where
does a symlink lead, who owns it.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry, Toc

MAX_LINKS = 40
"""Symlinks followed before giving up, as in Linux (path_resolution(7))."""


class Located(NamedTuple):
    """An entry and the tree that holds its bytes.

    ``origin``: name of the tree (a TOC digest or a diff ID). ``inode``: path, in that tree, of the
    entry it shares an inode with: equal (origin, inode) means hard-linked.
    """

    entry: Entry
    origin: str
    inode: str


ROOT = Located(Entry("", toc.DIRECTORY, 0o755), "", "")


class Index:
    """Every path of a state. Treat as immutable but through :meth:`apply` on a fresh copy."""

    __slots__ = ("_children", "_embedded", "_owned", "_paths")

    def __init__(self, like: "Index | None" = None) -> None:
        """Make the empty state, a root directory, or a copy of another index."""
        if like is None:
            self._paths: dict[str, Located] = {"": ROOT}
            self._children: dict[str, dict[str, None]] = {"": {}}
            # The directories whose names no copy shares: others are copied before they change.
            self._owned: set[str] = {""}
            self._embedded: dict[str, bytes] = {}
        else:
            self._paths = like._paths.copy()  # noqa: SLF001 -- one of our own
            self._children = like._children.copy()  # noqa: SLF001
            self._owned = set()
            like._owned = set()  # noqa: SLF001
            self._embedded = like._embedded.copy()  # noqa: SLF001

    def has_other_owners(self) -> bool:
        """Tell whether something belongs to another user or group than root."""
        return any(found.entry.uid or found.entry.gid for found in self._paths.values())

    @classmethod
    def assembled(cls, paths: dict[str, Located], children: dict[str, dict[str, None]]) -> "Index":
        """Make an index of every path and of each directory's names, kept as they are given.

        For a tree that was walked: both name the root, and each path's parents.
        """
        index = cls()
        index._paths, index._children = paths, children
        return index

    def copy(self) -> "Index":
        """Return a copy that can be changed on its own."""
        return Index(self)

    def get(self, path: str) -> Located | None:
        """Return what is at a path (no link is followed), None where nothing is."""
        return self._paths.get(path)

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def __len__(self) -> int:
        return len(self._paths)

    def children(self, path: str) -> list[str]:
        """Return the sorted names in a directory; empty for anything else."""
        return sorted(self._children.get(path, ()))

    def walk(self, path: str = "") -> Iterator[Located]:
        """Iterate over a path and all below it, a directory before what it holds, sorted."""
        todo = [path] if path in self._paths else []
        while todo:
            at = todo.pop()
            yield self._paths[at]
            below = self._children.get(at)
            if below:
                prefix = at + "/" if at else ""
                todo.extend(prefix + name for name in sorted(below, reverse=True))

    def embedded(self, path: str) -> bytes | None:
        """Return the contents of /etc/passwd or /etc/group, where the state has them."""
        return self._embedded.get(path)

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """Follow symlinks inside this root; what does not exist is kept as it is.

        ``path`` may be absolute, hold ``.`` and ``..`` and repeated slashes; the result is
        relative and clean. ``..`` never leaves the root. Raises StepError on a link loop.
        """
        found = self._paths.get(path)
        if found is not None and (found.entry.type != toc.SYMLINK or not follow_last):
            # What is in the index by this very name is clean, and all above it are directories.
            return path
        todo = path.split("/")[::-1]
        at = ""
        links = 0
        while todo:
            part = todo.pop()
            if part in {"", "."}:
                continue
            if part == "..":
                at = at.rpartition("/")[0]
                continue
            here = f"{at}/{part}" if at else part
            found = self._paths.get(here)
            if found is None or found.entry.type != toc.SYMLINK or not (todo or follow_last):
                at = here
                continue
            links += 1
            if links > MAX_LINKS:
                message = f"too many levels of symbolic links in {path!r}"
                raise StepError(message)
            if found.entry.link.startswith("/"):
                at = ""
            todo.extend(found.entry.link.split("/")[::-1])
        return at

    def put(self, located: Located) -> None:
        """Set one path. What is no directory replaces all that was there; parents must exist."""
        path, kind = located.entry[:2]
        if kind == toc.DIRECTORY:
            old = self._paths.get(path)
            if old is not None and old.entry.type != toc.DIRECTORY:
                self.remove(path)
            if path not in self._children:
                self._children[path] = {}
                self._owned.add(path)
        elif path in self._paths:
            self.remove(path)
        self._paths[path] = located
        if path:
            parent, _, name = path.rpartition("/")
            if name not in self._children[parent]:
                self._names(parent)[name] = None

    def remove(self, path: str) -> None:
        """Remove a path and all below it; a no-op where nothing is."""
        if path not in self._paths or not path:
            return
        parent, _, name = path.rpartition("/")
        del self._names(parent)[name]
        self._forget(path)

    def _names(self, path: str) -> dict[str, None]:
        """Return the names in a directory, to be changed."""
        if path not in self._owned:
            self._children[path] = self._children[path].copy()
            self._owned.add(path)
        return self._children[path]

    def _forget(self, path: str) -> None:
        # A path may be deeper than Python recurses.
        todo = [path]
        while todo:
            gone = todo.pop()
            del self._paths[gone]
            self._embedded.pop(gone, None)
            todo.extend(f"{gone}/{name}" for name in self._children.pop(gone, ()))

    def apply(self, changes: Toc, origin: str) -> "Index":
        """Return the state after a diff or layer; parents that it leaves out are 0755 root.

        Opaque directories and whiteouts hide what the states before had, never what the same diff
        brings, in whatever order it lists them.
        """
        after = self.copy()
        for entry in changes.entries:
            if entry.type == toc.WHITEOUT:
                after.remove(entry.path)
            elif entry.opaque:
                for name in after.children(entry.path):
                    after.remove(f"{entry.path}/{name}" if entry.path else name)
        leaders: dict[str, Entry] = {}
        there = ""  # a directory that exists: most entries stand in the one of the last
        for entry in changes.entries:
            if entry.type == toc.WHITEOUT:
                continue
            parent = entry.path.rpartition("/")[0]
            if parent != there:
                after.make_parents(entry.path)
                there = parent
            if entry.type == toc.HARDLINK:
                leader = leaders.get(entry.link)
                if leader is not None:
                    after.put(Located(leader._replace(path=entry.path), origin, entry.link))
                continue
            # Opaque says something of the diff, nothing of the state.
            kept = entry._replace(opaque=False) if entry.opaque else entry
            leaders[entry.path] = kept
            after.put(Located(kept, origin, entry.path))
        after.embed(changes.embedded)
        return after

    def make_parents(self, path: str) -> None:
        """Make the missing ancestors of a path, 0755 root; what is no directory gives way."""
        missing = []
        while path:
            path = path.rpartition("/")[0]
            found = self._paths.get(path)
            if found is not None and found.entry.type == toc.DIRECTORY:
                break
            missing.append(path)
        for parent in reversed(missing):
            self.put(Located(Entry(parent, toc.DIRECTORY, 0o755), "", parent))

    def embed(self, contents: Mapping[str, bytes]) -> None:
        """Remember the contents of embedded files."""
        self._embedded.update(contents)
