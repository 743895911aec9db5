"""Linux system calls that the standard library lacks, through ctypes; each raises OSError.

Imported by the child of every RUN: nothing but ctypes and os may be imported here.
"""

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

ATTR_RDONLY = 1
ATTR_NOSUID = 2
ATTR_NODEV = 4
ATTR_NOEXEC = 8

_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_SIGKILL, _SIGNALS = 9, 64

_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_NEW_LISTENER = 8
_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522

# These have one number on every architecture that came after them.
_OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE, _MOUNT_SETATTR = 428, 429, 436, 442
_GENERIC = {"pivot_root": 41, "keyctl": 219, "seccomp": 277}
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "keyctl": 250, "seccomp": 317},
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def _syscall(what: str, number: int, *arguments: object) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *words), what)


def _number(name: str) -> int:
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise OSError(38, f"the sandbox does not know the system calls of {machine}", name)
    return _NUMBERS[machine][name]


def unshare(flags: int) -> None:
    """Leave the namespaces named by the CLONE_NEW* flags for new ones."""
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount a file system; ``data`` are its options."""
    words = (os.fsencode(source), os.fsencode(target), os.fsencode(kind))
    options = os.fsencode(data) if data else None
    result = _libc.mount(*words, ctypes.c_ulong(flags), options)
    _check(result, f"mount {kind or source} on {target}")


def umount(target: str) -> None:
    """Detach a mount; it goes for good when nothing uses it any more."""
    _check(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target}")


def pivot_root_here() -> None:
    """Make the current directory (a mount point) the root, and let the old root go."""
    _syscall("pivot_root", _number("pivot_root"), b".", b".")
    umount(".")
    os.chdir("/")


def clone_tree(fd: int, *, recursive: bool = True) -> int:
    """Return a descriptor of a detached bind mount of what ``fd`` points to."""
    depth = _AT_RECURSIVE if recursive else 0
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | _AT_EMPTY_PATH | depth
    return _syscall("open_tree", _OPEN_TREE, fd, b"", flags)


def set_mount_attributes(fd: int, attributes: int, *, recursive: bool = True) -> None:
    """Add ATTR_* flags to a (detached or attached) mount and to those below it."""
    words = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    size = ctypes.sizeof(words)
    _syscall("mount_setattr", _MOUNT_SETATTR, fd, b"", flags, ctypes.byref(words), size)


def attach(tree: int, target: int) -> None:
    """Attach a detached mount to the directory or file that ``target`` points to."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _syscall("move_mount", _MOVE_MOUNT, tree, b"", target, b"", flags)


def close_from(first: int) -> None:
    """Close every descriptor from ``first`` on."""
    _syscall("close_range", _CLOSE_RANGE, first, 0xFFFFFFFF, 0)


def set_hostname(name: str) -> None:
    """Name the machine (in a new UTS namespace)."""
    raw = os.fsencode(name)
    _check(_libc.sethostname(raw, ctypes.c_size_t(len(raw))), "sethostname")


def die_with_parent() -> None:
    """Be killed when the thread that forked this process ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def set_undumpable() -> None:
    """Let no process without CAP_SYS_PTRACE look into this one."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def blank_command_line() -> None:
    """Overwrite this process's arguments in memory: pid 1's can be read by all it runs."""
    with open("/proc/self/stat", "rb") as stream:
        fields = stream.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end of proc(5)
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, b"init", min(4, end - start - 1))


def be_subreaper() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def drop_bounding(capability: int) -> bool:
    """Remove a capability from the bounding set; False where the kernel knows no such one."""
    result = _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if result < 0 and ctypes.get_errno() == 22:  # noqa: PLR2004 - EINVAL
        return False
    _check(result, "prctl")
    return True


def permitted_capabilities() -> int:
    """Return the permitted set as a bit mask."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(ctypes.byref(header), ctypes.byref(data)), "capget")
    return data[1] | data[4] << 32


def set_capabilities(mask: int) -> None:
    """Make the permitted and effective sets this mask, the inheritable set empty."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _check(_libc.capset(ctypes.byref(header), ctypes.byref(data)), "capset")


def join_new_session_keyring() -> None:
    """Leave the caller's keys behind; a kernel without keyrings has none to leave."""
    try:
        _syscall("keyctl", _number("keyctl"), _KEYCTL_JOIN_SESSION_KEYRING, None)
    except OSError as error:
        if error.errno not in (1, 38):  # EPERM (an outer filter), ENOSYS
            raise


def install_filter(program: bytes, *, listener: bool) -> int:
    """Install a seccomp filter (struct sock_filter array); return the listener's descriptor, or 0.

    Needs CAP_SYS_ADMIN in the user namespace, since no_new_privs stays off.
    """
    flags = _SECCOMP_FILTER_FLAG_NEW_LISTENER if listener else 0
    kept = ctypes.create_string_buffer(program)  # struct sock_fprog points to it
    what = (ctypes.c_uint64 * 2)(len(program) // 8, ctypes.addressof(kept))
    number = _number("seccomp")
    return _syscall("seccomp", number, _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(what))


def reset_signals() -> None:
    """Give every signal its default action and unblock all.

    Python ignores SIGPIPE, nohup SIGHUP, and exec hands that on. The last error is of no account:
    some signals belong to the kernel or to libc.
    """
    for number in range(1, _SIGNALS + 1):
        _libc.signal(number, None)
    _check(_libc.sigprocmask(2, (ctypes.c_char * 128)(), None), "sigprocmask")


def get_limit(resource: int) -> tuple[int, int]:
    """Return the soft and the hard limit of an RLIMIT_*."""
    pair = (ctypes.c_uint64 * 2)()
    _check(_libc.getrlimit(resource, ctypes.byref(pair)), "getrlimit")
    return pair[0], pair[1]


def set_limit(resource: int, soft: int, hard: int) -> None:
    """Set both limits of an RLIMIT_*."""
    pair = (ctypes.c_uint64 * 2)(soft, hard)
    _check(_libc.setrlimit(resource, ctypes.byref(pair)), "setrlimit")


def raise_loopback() -> None:
    """Bring the interface ``lo`` of a new network namespace up."""
    fd = _check(_libc.socket(2, 1 | os.O_CLOEXEC, 0), "socket")
    request = ctypes.create_string_buffer(b"lo".ljust(16, b"\0") + b"\x41\0", 40)  # UP | RUNNING
    _check(_libc.ioctl(fd, ctypes.c_ulong(0x8914), request), "ioctl SIOCSIFFLAGS")
    os.close(fd)


def ioctl(fd: int, request: int, argument: ctypes.Array[ctypes.c_char]) -> int:
    """Return the error number of an ioctl, 0 for success: the caller tells them apart."""
    result = _libc.ioctl(ctypes.c_int(fd), ctypes.c_ulong(request), argument)
    return ctypes.get_errno() if result < 0 else 0
