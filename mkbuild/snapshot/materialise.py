"""Writes a diff as a tree on disk."""

import os
from pathlib import Path

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot import contents
from mkbuild.snapshot.tarwriter import content
from mkbuild.snapshot.treewriter import TreeWriter


def write_tree(diff: Diff, tree: Path, *, userxattr: bool = False, single_id: bool = False) -> None:
    """Write a diff to an empty directory, in overlay form.

    Raises StepError where a source's bytes are not those that the TOC names, and for a TOC whose
    entries contradict each other; OSError where the disk gives out.
    """
    with TreeWriter(tree, userxattr=userxattr, single_id=single_id) as writer:
        made = {""}
        for entry in diff.toc.entries:
            _make_parents(writer, entry.path, made)
            _write(writer, entry, diff)
            if entry.type == toc.DIRECTORY:
                made.add(entry.path)
        writer.finish()


def _make_parents(writer: TreeWriter, path: str, made: set[str]) -> None:
    """Make the directories that a layer left out; canonical diffs hold all of them."""
    missing = []
    while path:
        path = path.rpartition("/")[0]
        if path in made:
            break
        missing.append(path)
    for parent in reversed(missing):
        writer.directory(Entry(parent, toc.DIRECTORY, 0o755))
        made.add(parent)


def _write(writer: TreeWriter, entry: Entry, diff: Diff) -> None:
    match entry.type:
        case toc.DIRECTORY:
            writer.directory(entry, exists=not entry.path)
        case toc.WHITEOUT:
            writer.whiteout(entry.path)
        case toc.HARDLINK:
            writer.link(entry.path, entry.link)
        case toc.FILE:
            fd = writer.create(entry.path, entry.mode)
            try:
                if entry.size:
                    for piece in content(entry, diff.sources):
                        contents.write(fd, piece)
            except BaseException:
                os.close(fd)
                raise
            writer.seal(fd, entry)
        case _:
            writer.special(entry)
