"""Mounts without mount(2), for a root file system that is a plain directory. Child side.

What stands at a target is moved to the work directory, the mount's contents are put in its place,
and afterwards everything is put back: the tree looks as if a mount had been there, and what the
command wrote into it is gone, except in a cache, to which new and changed files are copied back
(removed ones stay there: another step may use the same cache).
"""

import errno
import os
import shutil
import stat
from typing import TYPE_CHECKING

from mkbuild.sandbox import container
from mkbuild.sandbox.mounts import DEVICES, in_order, open_source
from mkbuild.sandbox.paths import PathError, Walk, open_below, proc

if TYPE_CHECKING:
    from mkbuild.sandbox.stubs import Stubs
    from mkbuild.sandbox.wire import Wire, WireMount


_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def prepare(spec: "Wire") -> None:
    """Make the only layer of a bind its source: more than one cannot be shown without overlays."""
    for mount in spec["mounts"]:
        if len(mount["lowers"]) > 1:
            what = f"cannot mount {mount['type']} on {mount['target']}"
            raise PathError(f"{what}: several layers need mount rights")
        if mount["lowers"]:
            mount["source"], mount["lowers"] = mount["lowers"][0], ()


class Emulation:
    """The emulated mounts of one RUN."""

    def __init__(self, spec: "Wire", root: int, stubs: "Stubs") -> None:
        self._spec = spec
        self._stubs = stubs
        self._root = root
        self._undo: list[tuple[int, str, str]] = []
        self._files: list[tuple[str, bytes]] = []
        self._caches: list[tuple[int, int, str]] = []
        self._stash = f"{spec['work']}/stash"
        os.mkdir(self._stash, 0o700)

    def mount_all(self) -> None:
        """Put files, devices and mounts in place; their parents exist."""
        self._make_devices()
        for path, data in self._spec["files"].items():
            if not self._overwrite(path, data):
                parent, name = self._clear(path)
                self._write(parent, name, data, 0o644)
        for mount in in_order(self._spec):
            parent, name = self._clear(mount["target"])
            self._mount(mount, parent, name)
        self._stubs.settle()

    def undo(self) -> None:
        """Copy caches back and put everything back as it was."""
        for cache, parent, name in self._caches:
            written = os.open(name, _DIRECTORY, dir_fd=parent)
            copy_entries(written, cache)
            os.close(written)
            os.close(cache)
        for parent, name, kept in reversed(self._undo):
            changed = os.fstat(parent)
            _remove(parent, name)
            if kept:
                os.rename(kept, name, dst_dir_fd=parent)
            self._stubs.restore_times(parent, changed)
        for path, data in self._files:
            _rewrite(path, data)
        shutil.rmtree(self._stash)

    def _clear(self, path: str) -> tuple[int, str]:
        """Move what is at a path aside; return its parent's descriptor and its name there."""
        walk = Walk(self._root)
        if not walk.go(path):
            walk.make(directory=False)
        name = walk.names[-1]
        walk.go("..")
        parent = os.dup(walk.fd)
        walk.close()
        self._stubs.remember(parent)
        kept = f"{self._stash}/{len(self._undo)}"
        try:
            os.rename(name, kept, src_dir_fd=parent)
        except OSError as error:
            if error.errno == errno.EBUSY:
                message = f"{path} is a mount of the container, and cannot be mounted on"
                raise PathError(message) from error
            if error.errno != errno.EXDEV:
                raise
            # another filesystem, such as /dev: set aside beside itself
            kept = f"{proc(parent)}/.mkbuild-{len(self._undo)}"
            os.rename(name, kept, src_dir_fd=parent)
        self._undo.append((parent, name, kept))
        return parent, name

    def _overwrite(self, path: str, data: bytes) -> bool:
        """Write to a file that is a mount of the container's; False where it is none."""
        if not (self._spec["tree"] == "/" and container.is_mount_point(path)):
            return False
        with open(path, "r+b") as stream:
            self._files.append((path, stream.read()))
        _rewrite(path, data)
        return True

    def _write(self, parent: int, name: str, data: bytes, mode: int) -> None:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
        with open(os.open(name, flags, mode, dir_fd=parent), "wb") as stream:
            stream.write(data)

    def _mount(self, mount: "WireMount", parent: int, name: str) -> None:
        place = f"{proc(parent)}/{name}"
        match mount["type"]:
            case "tmpfs":
                os.mkdir(name, dir_fd=parent)
                os.chmod(place, 0o1777)  # noqa: S103 - as a tmpfs has it
            case "secret":
                self._write(parent, name, mount["data"], 0o600)
                os.chown(place, mount["uid"], mount["gid"])
                os.chmod(place, mount["mode"])
            case "ssh":
                raise PathError("an ssh mount needs mount rights")
            case kind:
                source = open_source(mount)
                copy(source, parent, name)
                if kind == "cache" and mount["writable"]:
                    self._caches.append((source, parent, name))
                else:
                    os.close(source)

    def _make_devices(self) -> None:
        at = open_below(self._root, "/dev")
        self._stubs.remember(at)
        for name, number in DEVICES.items():
            try:
                os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(*number), dir_fd=at)
            except FileExistsError:
                continue
            os.chmod(f"{proc(at)}/{name}", 0o666)  # noqa: S103 - devices for all
            self._undo.append((at, name, ""))


def _rewrite(path: str, data: bytes) -> None:
    """Replace what a file holds; it stays the same file."""
    with open(path, "r+b") as stream:
        stream.write(data)
        stream.truncate()


def copy(source: int, parent: int, name: str) -> None:
    """Copy what a descriptor points to (a file, link or tree) to a name, replacing what is there.

    Links are copied, never followed, on both sides: what a command left in a cache leads nowhere.
    """
    found = os.fstat(source)
    if stat.S_ISDIR(found.st_mode):
        _make_directory(parent, name)
        target = os.open(name, _DIRECTORY, dir_fd=parent)
        copy_entries(source, target)
        os.close(target)
    else:
        _remove(parent, name)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink("", dir_fd=source), name, dir_fd=parent)
        elif stat.S_ISREG(found.st_mode):
            _copy_file(source, parent, name)
        else:
            os.mknod(name, found.st_mode, found.st_rdev, dir_fd=parent)
    os.chown(name, found.st_uid, found.st_gid, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(f"{proc(parent)}/{name}", stat.S_IMODE(found.st_mode))
    times = (found.st_atime_ns, found.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=parent, follow_symlinks=False)


def copy_entries(source: int, target: int) -> None:
    """Copy all entries of a directory into another one."""
    for entry in os.listdir(proc(source)):
        fd = os.open(entry, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=source)
        copy(fd, target, entry)
        os.close(fd)


def _make_directory(parent: int, name: str) -> None:
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        pass
    os.mkdir(name, dir_fd=parent)


def _copy_file(source: int, parent: int, name: str) -> None:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    with (
        open(proc(source), "rb") as reader,
        open(os.open(name, flags, 0o600, dir_fd=parent), "wb") as writer,
    ):
        shutil.copyfileobj(reader, writer)


def _remove(parent: int, name: str) -> None:
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(found.st_mode):
        shutil.rmtree(name, dir_fd=parent)
    else:
        os.unlink(name, dir_fd=parent)
