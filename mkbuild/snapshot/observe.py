"""What a step left on disk, seen path by path and put into a canonical diff.

Overlay uppers and full trees are seen through the same eyes, so that one change is one diff in
every sandbox.
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, DiffBuilder, Source
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.frozen import frozen
from mkbuild.snapshot import contents, xattrs
from mkbuild.snapshot.directories import Directories

SECOND = 1_000_000_000
_SLACK = 20_000_000
"""Nanoseconds that the clock of files may lag behind that of processes (a tick, CONFIG_HZ=100)."""
_LONG = 3500

ReadBase = Callable[[Located], str]
"""Finds the file that holds the bytes of a regular file of the state below."""


@frozen
class Times:
    """What becomes of times: those at or after the step's start are set to the epoch.

    ``started_ns``: when the step began. ``epoch``: seconds since 1970, None to keep times as they
    are. All times are cut to whole seconds, as tars hold them.
    """

    started_ns: int
    epoch: int | None

    def of(self, mtime_ns: int) -> int:
        """Return a file's time as the layer has it."""
        if self.epoch is not None and mtime_ns >= self.started_ns - _SLACK:
            return self.epoch
        return mtime_ns // SECOND

    def of_directory(self, mtime_ns: int, below: Entry | None) -> int:
        """Return a directory's time: one that was there before keeps what it had."""
        if below is None or below.type != toc.DIRECTORY or mtime_ns < self.started_ns - _SLACK:
            return self.of(mtime_ns)
        return below.mtime


class Observer:
    """Collects what was seen in a tree into a diff against the state below.

    ``single_id``: the disk holds one owner for all, so what a copy-up brought from below keeps the
    owner it has there.
    """

    def __init__(self, tree: Path, base: Index, times: Times, *, single_id: bool) -> None:
        """Begin with nothing seen; ``directories`` reaches into the tree."""
        self.builder = DiffBuilder(base)
        self.directories = Directories(tree)
        self._base = base
        self._tree = str(tree)
        self._times = times
        self._single_id = single_id
        self._embedded: dict[str, bytes] = {}
        self._leaders: dict[tuple[int, int], str] = {}
        self.seen: dict[str, int] = {}
        """Every path recorded, parents first, and its mtime in nanoseconds."""

    def listing(self, path: str) -> list[tuple[str, str, os.stat_result]]:
        """Return (name, path, stat) of what a directory holds, sorted by name."""
        prefix = path + "/" if path else ""
        with os.scandir(self.directories.fd(path)) as found:
            rows = [(e.name, prefix + e.name, e.stat(follow_symlinks=False)) for e in found]
        rows.sort(key=lambda row: row[0])
        return rows

    def place(self, path: str) -> str:
        """Return a name of a path for system calls that take no directory descriptor.

        Good until the next call. The tree is quiet and ours, so a plain path is as safe.
        """
        if len(path) < _LONG // 4 or len(os.fsencode(path)) < _LONG:
            return f"{self._tree}/{path}"
        fd, name = self.directories.parent(path)
        return f"/proc/self/fd/{fd}/{name}"

    def record(self, path: str, info: os.stat_result, names: list[str]) -> None:
        """Record what stands at a path (no socket, no whiteout); ``names``: of its xattrs."""
        self.seen[path] = info.st_mtime_ns
        mode = info.st_mode
        if info.st_nlink > 1 and not stat.S_ISDIR(mode):
            leader = self._leaders.setdefault((info.st_dev, info.st_ino), path)
            if leader != path:
                self.builder.link(path, leader)
                return
        below = self._base.get(path)
        old = None if below is None else below.entry
        uid, gid = self._owner(info, names, old)
        mtime = self._times.of(info.st_mtime_ns)
        size, link, device, content = 0, "", None, None
        fd, name = self.directories.parent(path)
        if stat.S_ISREG(mode):
            kind, size = toc.FILE, info.st_size
            content = self._content(path, os.open(name, contents.FLAGS, dir_fd=fd), size)
        elif stat.S_ISDIR(mode):
            kind, mtime = toc.DIRECTORY, self._times.of_directory(info.st_mtime_ns, old)
        elif stat.S_ISLNK(mode):
            kind, link = toc.SYMLINK, os.readlink(name, dir_fd=fd)
        elif stat.S_ISFIFO(mode):
            kind = toc.FIFO
        else:
            kind = toc.CHAR if stat.S_ISCHR(mode) else toc.BLOCK
            device = (os.major(info.st_rdev), os.minor(info.st_rdev))
        found = xattrs.read(self.place(path), names) if names else ()
        mode = stat.S_IMODE(mode)
        entry = Entry(path, kind, mode, uid, gid, size, mtime, link, device, found, content)
        self.builder.put(entry, embedded=self._embedded.pop(path, None))

    def _content(self, path: str, fd: int, size: int) -> bytes:
        pieces: Iterable[bytes] = contents.pieces(fd, size)
        if path in toc.EMBEDDED and size <= toc.EMBED_LIMIT:
            pieces = (b"".join(pieces),)
            self._embedded[path] = pieces[0]
        return contents.sha256_of(pieces)

    def _owner(self, info: os.stat_result, names: list[str], old: Entry | None) -> tuple[int, int]:
        if self._single_id:
            copied = stat.S_ISDIR(info.st_mode) or any(n.endswith("overlay.origin") for n in names)
            return (old.uid, old.gid) if copied and old is not None else (0, 0)
        return info.st_uid, info.st_gid

    def root(self, info: os.stat_result) -> None:
        """Record the root directory, where the step changed its mode or owner."""
        below = self._base.get("")
        assert below is not None  # noqa: S101 -- every state has a root
        mode, owner = stat.S_IMODE(info.st_mode), (info.st_uid, info.st_gid)
        if self._single_id:
            owner = below.entry[3:5]
        if (mode, *owner) != below.entry[2:5]:
            uid, gid = owner
            self.builder.put(below.entry._replace(mode=mode, uid=uid, gid=gid))

    def finish(self, read_base: ReadBase | None) -> Diff:
        """Return the canonical diff; hashes files of the state below whose digest is not known."""
        if read_base is None:
            diff = self.builder.finish()
        else:
            read = read_base
            diff = self.builder.finish(lambda located: contents.sha256(read(located)))
        # By the paths that stay: what was seen first with these bytes may equal the state below.
        sources: dict[bytes, Source] = {
            entry.content: f"{self._tree}/{entry.path}"
            for entry in diff.toc.entries
            if entry.content is not None
        }
        return Diff(diff.toc, sources)

    def touch(self, entry: Entry) -> None:
        """Give what is on disk the time that the diff says."""
        time = entry.mtime * SECOND
        if self.seen.get(entry.path) != time or entry.type == toc.DIRECTORY:
            if entry.path:
                fd, name = self.directories.parent(entry.path)
            else:
                fd, name = self.directories.fd(""), "."
            os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)
