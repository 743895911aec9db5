"""Writes a tree in overlay form: whiteouts as 0/0 character devices, opaque directories by xattr.

Paths come in resolved, as values: relative, clean, every parent a directory that this writer has
made. Nothing is ever written through something that exists: what stands at a path is removed first.
"""

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Self

from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot import xattrs
from mkbuild.snapshot.directories import Directories
from mkbuild.store.temp import remove_tree

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BUSY = 0o700
"""Mode of a directory that is still being filled; its own comes with :meth:`TreeWriter.finish`."""


class TreeWriter:
    """Writes entries below a directory that exists.

    ``userxattr``: overlay's marks are user.overlay.* (mounts in a user namespace). ``single_id``:
    this process holds one id only: owners stay in the TOC, and on disk all is ours.
    """

    def __init__(self, root: Path, *, userxattr: bool = False, single_id: bool = False) -> None:
        """Open the tree's root."""
        self.root = root
        self.directories = Directories(root)
        self._opaque = xattrs.opaque(userxattr=userxattr)
        self._single_id = single_id
        self._self = (os.geteuid(), os.getegid())
        self._umask = _umask()
        self._pending: dict[str, Entry] = {}
        self._whiteout: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every descriptor."""
        if self._whiteout is not None:
            os.close(self._whiteout)
            self._whiteout = None
        self.directories.close()

    def directory(self, entry: Entry, *, exists: bool = False) -> None:
        """Make a directory, or only note the attributes of one that exists."""
        if not exists:
            fd, name = self.directories.parent(entry.path)
            os.mkdir(name, _BUSY, dir_fd=fd)
        self._pending[entry.path] = entry

    def create(self, path: str, mode: int) -> int:
        """Create a regular file; the caller writes to the descriptor, then gives it to seal."""
        fd, name = self.directories.parent(path)
        return os.open(name, _CREATE, mode & 0o777, dir_fd=fd)

    def seal(self, fd: int, entry: Entry) -> None:
        """Give a file that is written its attributes, and close it."""
        try:
            self._attributes(fd, entry, entry.mode & ~self._umask & 0o777)
        finally:
            os.close(fd)

    def _attributes(self, fd: int, entry: Entry, mode: int) -> None:
        """Owner first, since it clears setuid and capabilities; times last."""
        if not self._single_id and (entry.uid, entry.gid) != self._self:
            _chown(fd, entry)
            mode = -1
        if entry.mode != mode:
            os.fchmod(fd, entry.mode)
        if entry.xattrs:
            xattrs.write(fd, entry.xattrs)
        time = entry.mtime * 1_000_000_000
        os.utime(fd, ns=(time, time))

    def link(self, path: str, leader: str) -> None:
        """Make a path another name of an entry."""
        # The source's descriptor may be closed by a look-up that needs many new ones.
        source, old = self.directories.parent(leader)
        source = os.dup(source)
        try:
            fd, name = self.directories.parent(path)
            os.link(old, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)
        finally:
            os.close(source)

    def special(self, entry: Entry) -> None:
        """Make a symlink, device or fifo.

        A device that a user namespace must not make is left out: the TOC and the layer keep it.
        """
        fd, name = self.directories.parent(entry.path)
        if entry.type == toc.SYMLINK:
            os.symlink(entry.link, name, dir_fd=fd)
        elif entry.type == toc.FIFO:
            os.mkfifo(name, 0o600, dir_fd=fd)
        else:
            kind = stat.S_IFCHR if entry.type == toc.CHAR else stat.S_IFBLK
            assert entry.device is not None  # noqa: S101 -- devices have one
            try:
                os.mknod(name, kind | 0o600, os.makedev(*entry.device), dir_fd=fd)
            except PermissionError:
                return
        if not self._single_id and (entry.uid, entry.gid) != self._self:
            _chown(fd, entry, name)
        if entry.type != toc.SYMLINK:
            # Just made, in a directory that only this process writes: no link to be followed.
            os.chmod(name, entry.mode, dir_fd=fd)
        if entry.xattrs:
            xattrs.write(f"/proc/self/fd/{fd}/{name}", entry.xattrs)
        time = entry.mtime * 1_000_000_000
        os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)

    def whiteout(self, path: str) -> None:
        """Hide what lies below at a path. All whiteouts share an inode while it has room."""
        fd, name = self.directories.parent(path)
        if self._whiteout is not None:
            try:
                os.link(f"/proc/self/fd/{self._whiteout}", name, dst_dir_fd=fd)
            except OSError as error:
                if error.errno not in {errno.EMLINK, errno.ENOENT}:
                    raise
                os.close(self._whiteout)
                self._whiteout = None
            else:
                return
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=fd)
        self._whiteout = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)

    def remove(self, path: str) -> None:
        """Remove what stands at a path, with all below it."""
        fd, name = self.directories.parent(path)
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            self.directories.forget(path)
            inside = path + "/"
            for gone in [p for p in self._pending if p == path or p.startswith(inside)]:
                del self._pending[gone]
            remove_tree(Path(f"/proc/self/fd/{fd}/{name}"))
        except FileNotFoundError:
            # A device that could not be made.
            return

    def finish(self) -> None:
        """Give the directories their attributes, the innermost first."""
        for path in sorted(self._pending, key=toc.order, reverse=True):
            entry = self._pending[path]
            fd = self.directories.fd(path)
            if entry.opaque:
                os.setxattr(fd, self._opaque, b"y")
            self._attributes(fd, entry, -1)
        self._pending.clear()

    def touch(self, path: str, mtime: int) -> None:
        """Set the time of what stands at a path, in whole seconds."""
        time = mtime * 1_000_000_000
        fd, name = self.directories.parent(path) if path else (self.directories.fd(""), ".")
        os.utime(name, ns=(time, time), dir_fd=fd, follow_symlinks=False)

    def discard(self, path: str) -> None:
        """Remove one name that is no directory, or a directory if it is empty."""
        fd, name = self.directories.parent(path)
        try:
            os.unlink(name, dir_fd=fd)
        except IsADirectoryError:
            self.directories.forget(path)
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(name, dir_fd=fd)


def _chown(fd: int, entry: Entry, name: str | None = None) -> None:
    """Set the owner of a descriptor, or of a name in a directory.

    An id that is not mapped in this user namespace (EINVAL) is left out: the TOC keeps it.
    """
    try:
        if name is None:
            os.fchown(fd, entry.uid, entry.gid)
        else:
            os.chown(name, entry.uid, entry.gid, dir_fd=fd, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def _umask() -> int:
    """Return the umask; reading it by setting it would race with other threads."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o777
