"""What a RUN sees beside its root file system: /dev, /proc, /sys, its mounts. Child side."""

import os
import stat

from mkbuild.sandbox import syscalls
from mkbuild.sandbox.paths import PathError, Walk, open_below, proc
from mkbuild.sandbox.rootfs import bind, mount_on
from mkbuild.sandbox.syscalls import (
    ATTR_NODEV,
    ATTR_NOEXEC,
    ATTR_NOSUID,
    ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
)

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from mkbuild.sandbox.rootfs import Stage
    from mkbuild.sandbox.wire import Wire, WireMount

_PLAIN = MS_NOSUID | MS_NODEV | MS_NOEXEC
DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
_TTY_GROUP = 5
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def targets(spec: "Wire") -> list[tuple[str, bool]]:
    """Return every mount point the root file system has to have, and whether it is a directory.

    Those below another mount's target are made there, when that mount stands.
    """
    places = [("/dev", True), ("/proc", True), ("/sys", True)]
    places += [(path, False) for path in spec["files"]]
    own = [(mount["target"], _is_directory(mount)) for mount in in_order(spec)]
    tops = {path.rstrip("/") for path, _ in own} | {"/dev", "/proc", "/sys"}
    places += [(p, d) for p, d in own if not any(p.startswith(f"{top}/") for top in tops)]
    return places


def in_order(spec: "Wire") -> "list[WireMount]":
    """Return the mounts so that each comes before those below its target."""
    return sorted(spec["mounts"], key=lambda mount: mount["target"].split("/"))


def _is_directory(mount: "WireMount") -> bool:
    if mount["type"] in ("secret", "ssh"):
        return False
    if mount["type"] == "tmpfs":
        return True
    fd = open_source(mount)
    kind = os.fstat(fd).st_mode
    os.close(fd)
    return stat.S_ISDIR(kind)


def open_source(mount: "WireMount") -> int:
    """Open (O_PATH) what a bind or cache mount shows of its source.

    A cache is shared with other steps, which may put a link anywhere: none is followed there.
    """
    top = os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
    try:
        return open_below(top, mount["subpath"], follow=mount["type"] != "cache")
    except PathError as error:
        raise PathError(f"cannot mount {mount['type']} on {mount['target']}: {error}") from error
    finally:
        os.close(top)


def prepare(spec: "Wire", stage: "Stage") -> None:
    """Mount overlays for the binds that need one, on the stage; they are their sources then.

    Those are binds of a state, and binds that may be written to: what is written is thrown away.
    """
    for number, mount in enumerate(spec["mounts"]):
        if mount["type"] != "bind":
            continue
        name, lowers = f"b{number}", mount["lowers"] or (mount["source"],)
        if mount["writable"] and os.path.isdir(lowers[0]):
            top = stage.scratch_overlay(name, lowers)
        elif mount["lowers"]:
            top = stage.overlay(name, lowers, flags=MS_RDONLY | MS_NODEV)
        else:
            continue
        mount["source"], mount["lowers"] = f"{stage.path}/{top}", ()


class Mounter:
    """Mounts things below the root of a RUN."""

    __slots__ = ("_number", "_own_processes", "_root", "_spec", "_stage")

    def __init__(
        self, spec: "Wire", stage: "Stage", root: int, *, own_processes: bool = True
    ) -> None:
        """``own_processes``: the RUN has a pid namespace of its own."""
        self._own_processes = own_processes
        self._spec = spec
        self._stage = stage
        self._root = root
        self._number = 0

    def mount_all(self) -> None:
        """Mount everything, in the order in which each thing needs the others."""
        self._kernel()
        self._dev()
        if not self._spec["insecure"]:
            self._masks()
        for path, data in self._spec["files"].items():
            self._bind(self._stage.file(self._name(), data), path, directory=False)
        for mount in in_order(self._spec):
            try:
                self._mount(mount)
            except OSError as error:
                what = f"cannot mount {mount['type']} on {mount['target']}"
                raise PathError(f"{what}: {error.strerror} ({error.filename})") from error

    def _name(self) -> str:
        self._number += 1
        return f"m{self._number}"

    def _target(self, path: str, *, directory: bool = True) -> int:
        """Open a mount point, made where it is missing; the caller closes it."""
        walk = Walk(self._root)
        try:
            if not walk.go(path):
                walk.make(directory=directory)
            if walk.names == []:
                raise PathError("the root itself cannot be a mount target")
            return os.dup(walk.fd)
        finally:
            walk.close()

    def _bind(self, source: int, path: str, attributes: int = 0, *, directory: bool = True) -> None:
        """Bind an open source, which is closed, on a path."""
        target = self._target(path, directory=directory)
        try:
            bind(source, target, attributes)
        finally:
            os.close(target)
            os.close(source)

    def _new(self, path: str, kind: str, flags: int, options: str = "") -> None:
        target = self._target(path)
        try:
            mount_on(target, kind, flags, options)
        finally:
            os.close(target)

    def _kernel(self) -> None:
        try:
            self._new("/proc", "proc", _PLAIN)
        except PermissionError:
            # a container's /proc is masked, and a fresh one would show what the masks hide
            if self._own_processes:
                raise
            source = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self._bind(source, "/proc", ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
        read_only = 0 if self._spec["insecure"] else MS_RDONLY
        try:
            self._new("/sys", "sysfs", _PLAIN | read_only)
        except PermissionError:
            # the network namespace is not ours, and so neither is its sysfs
            source = os.open("/sys", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            attributes = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC
            self._bind(source, "/sys", attributes)
        walk = Walk(self._root)
        if walk.go("/sys/fs/cgroup"):
            mount_on(walk.fd, "tmpfs", _PLAIN | MS_RDONLY, "size=4k,mode=755")
        walk.close()

    def _dev(self) -> None:
        self._new("/dev", "tmpfs", _PLAIN, "mode=755,size=64m")
        for name, target in _LINKS.items():
            at = open_below(self._root, "/dev")
            os.symlink(target, name, dir_fd=at)
            os.close(at)
        nodes = self._nodes()
        for name in DEVICES:
            source = os.open(f"{nodes}/{name}", os.O_PATH | os.O_CLOEXEC)
            self._bind(source, f"/dev/{name}", ATTR_NOSUID | ATTR_NOEXEC, directory=False)
        group = "" if self._spec["one_id"] else f",gid={_TTY_GROUP}"
        options = f"newinstance,ptmxmode=0666,mode=0620{group}"
        self._new("/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, options)
        self._new("/dev/shm", "tmpfs", _PLAIN, "mode=1777,size=64m")  # noqa: S108
        self._new("/dev/mqueue", "mqueue", _PLAIN)

    def _nodes(self) -> str:
        """Return a directory with device nodes.

        They are bound one by one on a /dev that opens no device itself, so that a node that a RUN
        makes there is dead. As root they are our own: the host's could be given another mode. In
        a user namespace none can be made, and the host's cannot be changed.
        """
        if self._spec["userns"]:
            return "/dev"
        place = self._stage.directory("dev")
        syscalls.mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
        for name, number in DEVICES.items():
            os.mknod(f"{place}/{name}", stat.S_IFCHR | 0o666, os.makedev(*number))
            os.chmod(f"{place}/{name}", 0o666)  # noqa: S103 - devices for all
        return place

    def _masks(self) -> None:
        for path in _MASKED:
            walk = Walk(self._root)
            if walk.go(path):
                if stat.S_ISDIR(os.fstat(walk.fd).st_mode):
                    mount_on(walk.fd, "tmpfs", _PLAIN | MS_RDONLY, "size=4k,mode=755")
                else:
                    null = open_below(self._root, "/dev/null")
                    bind(null, walk.fd)
                    os.close(null)
            walk.close()
        for path in _READ_ONLY:
            walk = Walk(self._root)
            if walk.go(path):
                bind(walk.fd, walk.fd, ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC)
            walk.close()

    def _mount(self, mount: "WireMount") -> None:
        target = mount["target"]
        match mount["type"]:
            case "tmpfs":
                size = f",size={mount['size']}" if mount["size"] else ""
                self._new(target, "tmpfs", _PLAIN, f"mode=1777{size}")
            case "secret":
                owner = {} if self._spec["one_id"] else {"uid": mount["uid"], "gid": mount["gid"]}
                source = self._stage.file(self._name(), mount["data"], mode=mount["mode"], **owner)
                attributes = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC
                self._bind(source, target, attributes, directory=False)
            case "ssh":
                source = os.open(mount["source"], os.O_PATH | os.O_CLOEXEC)
                self._bind(source, target, ATTR_NOSUID | ATTR_NODEV, directory=False)
            case _:
                source = open_source(mount)
                if not stat.S_ISDIR(os.fstat(source).st_mode) and mount["writable"]:
                    source = self._copy(source)
                self._bind_tree(source, target, 0 if mount["writable"] else ATTR_RDONLY)

    def _bind_tree(self, source: int, target: str, attributes: int) -> None:
        directory = stat.S_ISDIR(os.fstat(source).st_mode)
        self._bind(source, target, attributes | ATTR_NODEV, directory=directory)

    def _copy(self, source: int) -> int:
        """Return a file in memory with the contents and mode of another, to be written to."""
        with open(proc(source), "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode & 0o7777
            return self._stage.file(self._name(), stream.read(), mode=mode)
