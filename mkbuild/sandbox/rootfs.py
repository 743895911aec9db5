"""The root file system of a RUN, mounted in the supervisor's private mount namespace.

Everything is prepared on a stage: a tmpfs on ``<work>/stage`` that nobody else sees. Short links
name the lower directories, so that the options of an overlay with 500 lowers fit into a page and
no path needs quoting. Child side.
"""

import errno
import os

from mkbuild.sandbox import syscalls
from mkbuild.sandbox.paths import proc

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence

    from mkbuild.sandbox.wire import Wire

# userxattr turns redirect_dir off itself, and refuses to be told so
_OPTIONS = {
    False: "metacopy=off,index=off,redirect_dir=off",
    True: "metacopy=off,index=off,userxattr",
}


class Stage:
    """The place where mounts are prepared; as long as it is used it is the working directory."""

    __slots__ = ("_userns", "_work", "path")

    def __init__(self, work: str, *, userns: bool) -> None:
        self._work = work
        self._userns = userns
        self.path = f"{work}/stage"
        os.mkdir(self.path, 0o700)
        flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
        syscalls.mount("tmpfs", self.path, "tmpfs", flags, "mode=700")
        os.chdir(self.path)
        os.mkdir("empty", 0o755)

    def directory(self, name: str) -> str:
        """Create a directory on the stage and return its name."""
        os.mkdir(name, 0o755)
        return name

    def file(self, name: str, data: bytes, *, mode: int = 0o644, uid: int = 0, gid: int = 0) -> int:
        """Create a file in memory and return a descriptor (O_PATH) of it."""
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with open(fd, "wb") as stream:
            stream.write(data)
            os.fchmod(fd, mode)
            if uid or gid:
                os.fchown(fd, uid, gid)
        return os.open(name, os.O_PATH | os.O_CLOEXEC)

    def overlay(
        self, name: str, lowers: "Sequence[str]", upper: str = "", work: str = "", flags: int = 0
    ) -> str:
        """Mount lowers (topmost first), writable with an upper, on a new directory of the stage."""
        target = f"{self.path}/{self.directory(name)}"
        os.chdir(self.directory(f"{name}.links"))
        for index, lower in enumerate(lowers):
            os.symlink(lower, str(index))
        links = [str(index) for index in range(len(lowers))]
        if not upper or not links:
            os.symlink("../empty", "empty")
            links.append("empty")
        options = f"lowerdir={':'.join(links)},{_OPTIONS[self._userns]}"
        if upper:
            os.symlink(upper, "upper")
            os.symlink(work, "work")
            # nothing is read back after a power cut, so fsync may cost nothing
            options += ",upperdir=upper,workdir=work,volatile"
        syscalls.mount("overlay", target, "overlay", flags, options)
        os.chdir("..")
        return name

    def scratch_overlay(self, name: str, lowers: "Sequence[str]") -> str:
        """Mount an overlay whose changes are thrown away: they lie in the work directory."""
        upper, work = f"{self._work}/{name}.upper", f"{self._work}/{name}.work"
        os.mkdir(upper)
        os.mkdir(work)
        copy_root(lowers[0], upper)
        return self.overlay(name, lowers, upper, work, syscalls.MS_NODEV)

    def close(self) -> None:
        """Take the stage away, with all that was mounted on it."""
        os.chdir("/")
        syscalls.umount(self.path)
        os.rmdir(self.path)


def copy_root(source: str, target: str) -> None:
    """Give a directory the owner, mode and times of another: an overlay's root is its upper's."""
    like = os.stat(source)
    try:
        os.chown(target, like.st_uid, like.st_gid)
    except OSError as error:
        if error.errno != errno.EINVAL:  # an id that this user namespace does not hold
            raise
    os.chmod(target, like.st_mode & 0o7777)
    os.utime(target, ns=(like.st_atime_ns, like.st_mtime_ns))


def mount_root(stage: Stage, spec: "Wire") -> int:
    """Mount the root file system and return a descriptor (O_PATH) of it."""
    flags = 0 if spec["insecure"] else syscalls.MS_NODEV
    if spec["tree"]:
        tree = os.open(spec["tree"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        copy = syscalls.clone_tree(tree, recursive=False)
        if flags:
            syscalls.set_mount_attributes(copy, syscalls.ATTR_NODEV)
        place = os.open(stage.directory("root"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.attach(copy, place)
        os.close(place)
        os.close(tree)
        os.close(copy)
    else:
        work = f"{spec['work']}/root"
        os.mkdir(work, 0o700)
        if spec["lowers"]:
            copy_root(spec["lowers"][0], spec["upper"])
        stage.overlay("root", spec["lowers"], spec["upper"], work, flags)
    return os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def bind(source: int, target: int, attributes: int = 0, *, recursive: bool = True) -> None:
    """Bind what one descriptor points to onto another, with ATTR_* flags."""
    tree = syscalls.clone_tree(source, recursive=recursive)
    try:
        if attributes:
            syscalls.set_mount_attributes(tree, attributes, recursive=recursive)
        syscalls.attach(tree, target)
    finally:
        os.close(tree)


def mount_on(target: int, kind: str, flags: int, options: str = "") -> None:
    """Mount a new file system on what a descriptor points to."""
    syscalls.mount(kind, proc(target), kind, flags, options)
