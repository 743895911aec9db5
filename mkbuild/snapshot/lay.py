"""Turns a tree that exists into a state, changing no more than differs (modifyfs mode)."""

import os
from collections.abc import Callable
from pathlib import Path

from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.snapshot import contents
from mkbuild.snapshot.treewriter import TreeWriter

Source = Callable[[Located], str]
"""Finds the path of the file that holds the bytes of a regular file of the new state."""


def lay(
    tree: Path, before: Index | None, after: Index, source: Source, kept: frozenset[str]
) -> None:
    """Make a tree hold ``after``; ``before`` is the state that it holds, None for anything else.

    ``kept``: real, relative paths that are neither looked at nor touched, with all below; the
    directories above them stay too, with the attributes that the state gives them. Nothing is
    reached through a symbolic link. OSError where the tree is not what ``before`` says, or the disk
    gives out: it then holds no state.
    """
    with TreeWriter(tree) as writer:
        _Laying(writer, before, after, source, kept).run()


class _Laying:
    """One change of a tree from a state to another."""

    def __init__(
        self,
        writer: TreeWriter,
        before: Index | None,
        after: Index,
        source: Source,
        kept: frozenset[str],
    ) -> None:
        self._writer = writer
        self._before = before
        self._after = after
        self._source = source
        self._kept = kept
        above = {"", *(above for path in kept for above in ancestors(path))}
        self._above = {path for path in above if self._is_there(path)}
        self._touched: set[str] = set()

    def run(self) -> None:
        if self._before is None:
            self._clear("")
        else:
            self._remove_differences(self._before)
        wanted = [located for located in self._after.walk() if not self._keeps(located)]
        standing = [located for located in wanted if self._stands(located)]
        # A name that stays is what the new names of its inode are linked to.
        leaders = {_inode(located): located.entry.path for located in standing[::-1]}
        for located in wanted:
            entry = located.entry
            if entry.type == toc.DIRECTORY:
                self._directory(located)
            elif not self._stands(located):
                leader = leaders.setdefault(_inode(located), entry.path)
                self._touched.add(_parent(entry.path))
                self._put(located, leader)
        for path in self._touched:
            found = self._after.get(path)
            if found is not None:
                self._writer.directory(found.entry, exists=True)
        self._writer.finish()

    def _is_there(self, path: str) -> bool:
        try:
            self._writer.directories.fd(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def _keeps(self, located: Located) -> bool:
        path = located.entry.path
        return path in self._kept or any(above in self._kept for above in ancestors(path))

    def _stands(self, located: Located) -> bool:
        """Whether the tree holds this already."""
        return self._before is not None and self._before.get(located.entry.path) == located

    def _remove_differences(self, before: Index) -> None:
        gone = "\0"
        for located in before.walk():
            path = located.entry.path
            if path.startswith(gone) or not path:
                continue
            if path in self._kept:
                gone = path + "/"
                continue
            found = self._after.get(path)
            directory = located.entry.type == toc.DIRECTORY
            stays = found == located or (
                directory and found is not None and found.entry.type == toc.DIRECTORY
            )
            if not stays:
                gone = path + "/"
                self._clear(path)

    def _clear(self, path: str) -> None:
        """Remove what stands at a path, but for what is kept and the directories above that."""
        if path in self._kept:
            return
        if path not in self._above:
            self._touched.add(_parent(path))
            self._writer.remove(path)
            return
        self._touched.add(path)
        with os.scandir(self._writer.directories.fd(path)) as found:
            names = [entry.name for entry in found]
        for name in names:
            self._clear(f"{path}/{name}" if path else name)

    def _directory(self, located: Located) -> None:
        entry, path = located.entry, located.entry.path
        old = self._before.get(path) if self._before is not None else None
        if path in self._above or (old is not None and old.entry.type == toc.DIRECTORY):
            if not self._stands(located):
                os.fchown(self._writer.directories.fd(path), entry.uid, entry.gid)
                self._touched.add(path)
        else:
            self._touched.add(_parent(path))
            self._writer.directory(entry)

    def _put(self, located: Located, leader: str) -> None:
        entry = located.entry
        if leader != entry.path:
            self._writer.link(entry.path, leader)
        elif entry.type == toc.FILE:
            fd = self._writer.create(entry.path, entry.mode)
            try:
                if entry.size:
                    read = contents.open_file(self._source(located))
                    for piece in contents.pieces(read, entry.size):
                        contents.write(fd, piece)
            except BaseException:
                os.close(fd)
                raise
            self._writer.seal(fd, entry)
        else:
            self._writer.special(entry)


def ancestors(path: str) -> list[str]:
    """Return the directories above a path, the root ``""`` last; empty for the root."""
    found = []
    while path:
        path = _parent(path)
        found.append(path)
    return found


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _inode(located: Located) -> tuple[str, str]:
    return located.origin, located.inode
