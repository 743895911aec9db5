"""Tars and trees for tests: made by tarfile, looked at without mkbuild's eyes."""

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, Source
from mkbuild.filesystem.toc import Entry


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    """Return a tar header."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info


def tar(
    *members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes] | tuple[str, bytes],
    format: int = tarfile.PAX_FORMAT,  # noqa: A002 -- tarfile's own word
) -> bytes:
    """Make a tar; a string stands for a plain file of this name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for given in members:
            if isinstance(given, tarfile.TarInfo):
                archive.addfile(given)
                continue
            header = member(given[0]) if isinstance(given[0], str) else given[0]
            header.size = len(given[1])
            archive.addfile(header, io.BytesIO(given[1]))
    return buffer.getvalue()


def blocks(data: bytes, size: int = 700) -> Iterator[bytes]:
    """Cut bytes so that nothing falls on a boundary of the tar."""
    return (data[at : at + size] for at in range(0, len(data), size))


def file(path: str, data: bytes = b"", **fields: object) -> Entry:
    """Return the entry of a regular file."""
    entry = Entry(path, toc.FILE, 0o644, size=len(data), content=hashlib.sha256(data).digest())
    return entry._replace(**fields)  # type: ignore[arg-type]


def directory(path: str, **fields: object) -> Entry:
    """Return the entry of a directory."""
    return Entry(path, toc.DIRECTORY, 0o755)._replace(**fields)  # type: ignore[arg-type]


def diff(entries: Iterable[Entry], *contents: bytes) -> Diff:
    """Make a diff of entries and the bytes of its files."""
    sources: dict[bytes, Source] = {hashlib.sha256(data).digest(): data for data in contents}
    return Diff(toc.make(entries), sources)


def look(root: Path) -> dict[str, tuple[object, ...]]:
    """Describe all below a directory: type, mode, owner, time, what it holds, links, xattrs."""
    found: dict[str, tuple[object, ...]] = {}
    inodes: dict[int, str] = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        name = str(path.relative_to(root))
        kind = stat.S_IFMT(info.st_mode)
        whiteout = kind == stat.S_IFCHR and info.st_rdev == 0
        held: object = None
        if kind == stat.S_IFREG:
            held = path.read_bytes()
        elif kind == stat.S_IFLNK:
            held = str(path.readlink())
        elif kind in {stat.S_IFCHR, stat.S_IFBLK}:
            held = info.st_rdev
        attributes = tuple(
            (key, os.getxattr(path, key, follow_symlinks=False))
            for key in sorted(os.listxattr(path, follow_symlinks=False))
        )
        first = inodes.setdefault(info.st_ino, name)
        found[name] = (
            ("whiteout",)
            if whiteout
            else (
                stat.filemode(info.st_mode), info.st_uid, info.st_gid,
                info.st_mtime_ns, held, first, attributes,
            )
        )  # fmt: skip
    return found
