# ruff: noqa: PTH103, PTH116, PTH123, PTH208, S108, SIM115, T201
"""Attempts to get out of a RUN; executed inside of one by the host's Python, prints what worked.

Each attempt returns a text where it succeeded and raises OSError where it was stopped. Arguments:
what the test knows of the outside, as JSON. Nothing here does damage where it succeeds.
"""

import ctypes
import fcntl
import json
import os
import platform
import signal
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

OUTSIDE = json.loads(sys.argv[1])
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {
        "keyctl": 250,
        "add_key": 248,
        "bpf": 321,
        "clone": 56,
        "ptrace": 101,
        "userfaultfd": 323,
        "perf_event_open": 298,
        "kexec_load": 246,
        "init_module": 175,
        "pivot_root": 155,
    },
    "aarch64": {
        "keyctl": 219,
        "add_key": 217,
        "bpf": 280,
        "clone": 220,
        "ptrace": 117,
        "userfaultfd": 282,
        "perf_event_open": 241,
        "kexec_load": 104,
        "init_module": 105,
        "pivot_root": 41,
    },
}[platform.machine()]
NEWNS, NEWUSER = 0x20000, 0x10000000
ATTEMPTS: dict[str, Callable[[], str]] = {}


def attempt(function: Callable[[], str]) -> Callable[[], str]:
    ATTEMPTS[function.__name__] = function
    return function


def call(name: str, *arguments: object) -> int:
    number = NUMBERS[name]
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    return check(result)


def check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount(source: str, target: str, kind: str, flags: int) -> int:
    return check(
        LIBC.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None)
    )


def opens_for_writing(path: str) -> str:
    os.close(os.open(path, os.O_WRONLY))
    return f"{path} can be written"


@attempt
def write_core_pattern() -> str:
    return opens_for_writing("/proc/sys/kernel/core_pattern")


@attempt
def write_sysrq() -> str:
    return opens_for_writing("/proc/sysrq-trigger")


@attempt
def write_proc_sys() -> str:
    return opens_for_writing("/proc/sys/net/ipv4/ip_forward")


@attempt
def write_irq() -> str:
    return opens_for_writing("/proc/irq/default_smp_affinity")


@attempt
def write_sys() -> str:
    place = Path("/sys/kernel")
    for found in (*place.glob("*"), *place.glob("mm/*/*")):
        if found.is_file() and stat.S_IMODE(found.stat().st_mode) & 0o200:
            return opens_for_writing(str(found))
    raise OSError("nothing to write")


@attempt
def read_kcore() -> str:
    data = Path("/proc/kcore").open("rb").read(4)
    if not data:
        raise OSError("empty")
    return f"{data!r}"


@attempt
def read_keys() -> str:
    text = Path("/proc/keys").read_text()
    if not text:
        raise OSError("empty")
    return text


@attempt
def root_of_pid_1() -> str:
    return str(os.listdir("/proc/1/root"))


@attempt
def descriptors_of_pid_1() -> str:
    for name in os.listdir("/proc/1/fd"):
        os.close(os.open(f"/proc/1/fd/{name}", os.O_WRONLY))
    return "opened"


@attempt
def environment_of_pid_1() -> str:
    return Path("/proc/1/environ").read_bytes().decode() or "empty, but open"


@attempt
def see_host_processes() -> str:
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes()
        except OSError:
            continue
        if OUTSIDE["marker"].encode() in command and place.name != str(os.getpid()):
            return command.decode()
    raise OSError("not seen")


@attempt
def kill_host_process() -> str:
    os.kill(OUTSIDE["pid"], 0)
    return "it can be signalled"


@attempt
def trace_host_process() -> str:
    call("ptrace", 0x4206, OUTSIDE["pid"], 0, 0)
    return "attached"


@attempt
def trace_pid_1() -> str:
    call("ptrace", 0x4206, 1, 0, 0)
    return "attached"


@attempt
def mount_tmpfs() -> str:
    mount("none", "/mnt", "tmpfs", 0)
    return "mounted"


@attempt
def mount_proc() -> str:
    mount("none", "/mnt", "proc", 0)
    return "mounted"


@attempt
def bind_something() -> str:
    mount("/proc", "/mnt", "", 4096)
    return "mounted"


@attempt
def remount_writable() -> str:
    mount("none", "/proc/sys", "", 32 | 4096)
    return "remounted"


@attempt
def unmount_mask() -> str:
    check(LIBC.umount2(b"/proc/keys", 2))
    return "unmounted"


@attempt
def unmount_read_only() -> str:
    check(LIBC.umount2(b"/proc/sys", 2))
    return "unmounted"


@attempt
def new_mount_api() -> str:
    return str(check(LIBC.syscall(ctypes.c_long(430), b"tmpfs", ctypes.c_long(0))))


@attempt
def unshare_mounts() -> str:
    check(LIBC.unshare(NEWNS))
    return "unshared"


@attempt
def unshare_users() -> str:
    check(LIBC.unshare(NEWUSER))
    return "unshared"


@attempt
def clone_users() -> str:
    zero = ctypes.c_long(0)
    child = call("clone", ctypes.c_long(NEWUSER | signal.SIGCHLD), zero, zero, zero, zero)
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "cloned"


@attempt
def clone3() -> str:
    words = (ctypes.c_uint64 * 11)(NEWUSER, 0, 0, 0, signal.SIGCHLD)
    child = check(LIBC.syscall(ctypes.c_long(435), ctypes.byref(words), ctypes.c_long(88)))
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "cloned"


@attempt
def enter_namespace() -> str:
    fd = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    check(LIBC.setns(fd, 0))
    return "entered"


@attempt
def make_disk() -> str:
    os.mknod("/disk", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    return "made"


@attempt
def make_and_open_devices() -> str:
    opened = []
    for place in ("/", "/dev/", "/dev/shm/", "/dev/mqueue/", "/scratch/", "/cache/"):
        path = f"{place}null2"
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.close(os.open(path, os.O_WRONLY))
            opened.append(path)
        except OSError:
            continue
    if not opened:
        raise OSError("none")
    return str(opened)


@attempt
def chroot_dance() -> str:
    outside = os.open("/", os.O_RDONLY)
    os.makedirs("/cell", exist_ok=True)
    os.chroot("/cell")
    os.fchdir(outside)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    try:
        return f"outside: {os.stat(OUTSIDE['file'])}"
    finally:
        os.chdir("/")


@attempt
def release_agent() -> str:
    for place in ("/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"):
        for name in ("release_agent", "notify_on_release", "cgroup.procs"):
            try:
                return opens_for_writing(f"{place}/{name}")
            except OSError:
                continue
    raise OSError("none")


@attempt
def mount_cgroup() -> str:
    mount("none", "/mnt", "cgroup", 0)
    return "mounted"


def _is_open(fd: int) -> bool:
    try:
        fcntl.fcntl(fd, fcntl.F_GETFD)
    except OSError:
        return False
    return True


INHERITED = [fd for fd in range(3, 1024) if _is_open(fd)]


@attempt
def inherited_descriptors() -> str:
    if not INHERITED:
        raise OSError("none")
    return str(INHERITED)


@attempt
def abstract_socket() -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"\0{OUTSIDE['abstract']}")
    return "connected"


@attempt
def loopback_listener() -> str:
    with socket.create_connection(("127.0.0.1", OUTSIDE["port"]), timeout=5):
        return "connected"


@attempt
def use_keys() -> str:
    return str(call("keyctl", ctypes.c_long(0), ctypes.c_long(-3), ctypes.c_long(0)))


@attempt
def add_key() -> str:
    nothing = ctypes.c_long(0)
    return str(call("add_key", b"user", b"x", b"y", ctypes.c_long(1), ctypes.c_long(-3), nothing))


@attempt
def load_bpf() -> str:
    words = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
    return str(call("bpf", ctypes.c_long(0), ctypes.byref(words), ctypes.c_long(128)))


@attempt
def push_into_terminal() -> str:
    with open("/dev/tty", "rb") as terminal:
        fcntl.ioctl(terminal, 0x5412, b"x")
    return "pushed"


@attempt
def open_by_handle() -> str:
    handle = ctypes.create_string_buffer(136)
    ctypes.memmove(handle, (128).to_bytes(4, "little"), 4)
    number = ctypes.c_int()
    place = b"/etc/hosts"
    check(LIBC.name_to_handle_at(-100, place, handle, ctypes.byref(number), 0))
    fd = os.open("/", os.O_RDONLY)
    return str(check(LIBC.open_by_handle_at(fd, handle, os.O_RDONLY)))


@attempt
def chmod_standard_input() -> str:
    os.fchmod(0, 0o640)
    if stat.S_IMODE(Path(OUTSIDE["null"]).stat().st_mode) == 0o640:
        return "it is the host's"
    raise OSError("our own")


def raw(number: int, *arguments: object) -> str:
    """Make a call that has the same number everywhere, or whose number is said."""
    return str(check(LIBC.syscall(ctypes.c_long(number), *arguments)))


@attempt
def io_uring() -> str:
    return raw(425, ctypes.c_long(8), ctypes.create_string_buffer(120))


@attempt
def page_faults() -> str:
    return str(call("userfaultfd", ctypes.c_long(0)))


@attempt
def performance_events() -> str:
    words = (ctypes.c_uint32 * 32)(1, 128, 1)
    minus, zero = ctypes.c_long(-1), ctypes.c_long(0)
    return str(call("perf_event_open", ctypes.byref(words), zero, minus, minus, zero))


@attempt
def load_kernel() -> str:
    zero = ctypes.c_long(0)
    return str(call("kexec_load", zero, zero, zero, ctypes.c_long(0x10000)))


@attempt
def load_module() -> str:
    return str(call("init_module", b"", ctypes.c_long(0), b""))


@attempt
def take_descriptor() -> str:
    pid_1 = os.pidfd_open(1)
    return raw(438, ctypes.c_long(pid_1), ctypes.c_long(0), ctypes.c_long(0))


@attempt
def memory_of_pid_1() -> str:
    os.close(os.open("/proc/1/mem", os.O_RDWR))
    return "opened"


@attempt
def executable_of_pid_1() -> str:
    os.close(os.open("/proc/1/exe", os.O_RDONLY))
    return "opened"


@attempt
def pivot_root() -> str:
    return str(call("pivot_root", b"/", b"/"))


@attempt
def host_name() -> str:
    check(LIBC.sethostname(b"evil", 4))
    return "set"


@attempt
def set_time() -> str:
    check(LIBC.settimeofday(None, (ctypes.c_int * 2)(0, 0)))
    return "set"


def apart(function: Callable[[], str]) -> tuple[bool, str]:
    """Make an attempt in a process of its own: some change what the next ones could do."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = (True, function())
        except OSError as error:
            answer = (False, str(error))
        os.write(writer, json.dumps(answer).encode()[:65536])
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        said = stream.read()
    os.waitpid(child, 0)
    worked, text = json.loads(said)
    return bool(worked), str(text)


def main() -> None:
    results = {}
    for name, function in ATTEMPTS.items():
        worked, text = apart(function)
        print(f"{name}: {text}", file=sys.stderr, flush=True)
        if worked:
            results[name] = text
    print(json.dumps(results))


if __name__ == "__main__":
    main()
