"""Small source trees and states for the tests of file steps."""

import hashlib
from collections.abc import Sequence

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry


def file(path: str, data: bytes = b"", mode: int = 0o644, uid: int = 0, gid: int = 0) -> Entry:
    digest = hashlib.sha256(data).digest()
    return Entry(path, toc.FILE, mode, uid, gid, len(data), 1000, content=digest)


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Entry:
    return Entry(path, toc.DIRECTORY, mode, uid, gid, 0, 1000)


def symlink(path: str, target: str) -> Entry:
    return Entry(path, toc.SYMLINK, 0o777, mtime=1000, link=target)


def hardlink(path: str, leader: str) -> Entry:
    return Entry(path, toc.HARDLINK, link=leader)


def state(*entries: Entry, embedded: dict[str, bytes] | None = None) -> Index:
    return Index().apply(toc.make(entries, embedded), "tree")


class Tree:
    """A source tree; ``asked``: the paths of every request for digests."""

    def __init__(self, *entries: Entry) -> None:
        self.index = state(*entries)
        self.asked: list[list[str]] = []

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        self.asked.append([file.entry.path for file in files])
        return [hashlib.sha256(file.entry.path.encode()).digest() for file in files]

    def source(self, file: Located) -> str:
        return f"/tree/{file.entry.path}"


def shown(diff: Diff) -> list[str]:
    """Tell a diff's entries, one a line: type, mode, owner, path, link or start of the digest."""
    return [
        " ".join(
            filter(
                None,
                [
                    e.type,
                    f"{e.mode:o}",
                    f"{e.uid}:{e.gid}",
                    e.path,
                    e.link and f"-> {e.link}",
                ],
            )
        )
        for e in diff.toc.entries
    ]
