"""The processes of one RUN.

::

    build ── zygote ── supervisor     own mount namespace: stage, root, stubs; answers the filter
                         └── init     pid 1 of the RUN: mounts, reaps, ends with the command
                               └── command

The supervisor polls a pipe whose other end only the build holds: its end is the build's end, and
the supervisor then kills pid 1, with which every process of the RUN dies. Pid 1 dies with the
supervisor likewise (PDEATHSIG: that one has a single thread). All import os and ctypes alone.
"""

import errno
import marshal
import os
import select
import sys

from mkbuild.sandbox import mounts, privileges, syscalls, zygote
from mkbuild.sandbox.cgroups import Groups
from mkbuild.sandbox.paths import PathError, open_below
from mkbuild.sandbox.rootfs import Stage, mount_root
from mkbuild.sandbox.stubs import Stubs

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from typing import NoReturn

    from mkbuild.sandbox.wire import Wire

_SETUP_FAILED = 125
_NOT_EXECUTABLE = 126
_NOT_FOUND = 127
_KILLED = 137
_SHOWN = 800
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Report:
    """A pipe to the build; each message is a marshalled tuple, small enough to be written whole."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def failed(self, doing: str, error: Exception) -> None:
        """Say what could not be set up, and why."""
        match error:
            case OSError(errno=int(number), strerror=str(text), filename=name):
                why = f"{text} ({name})" if name else text
            case PathError() | ValueError():
                number, why = 0, str(error)
            case _:  # a mistake of ours, which the build shows as it shows the others
                number, why = 0, f"{type(error).__name__}: {error}"
        os.write(self.fd, marshal.dumps(("failed", doing, why[:_SHOWN], number)))

    def ended(self, status: int, *, lossy: bool, reached: tuple[str, ...]) -> None:
        """Say how the command ended."""
        os.write(self.fd, marshal.dumps(("ended", status, lossy, reached)))


def main() -> "NoReturn":
    """Be the zygote of a sandbox, with the socket that the argument names."""
    zygote.serve(_supervisor, int(sys.argv[1]))


def _supervisor(spec: int, life: int, report_fd: int, channel: int) -> "NoReturn":
    report = Report(report_fd)
    groups = Groups()
    try:
        status, lossy = _supervise(load(spec, channel), life, report, groups)
    except Exception as error:  # noqa: BLE001 - all of it is told to the build
        report.failed("set up the sandbox", error)
        groups.remove()
        os._exit(_SETUP_FAILED)
    report.ended(status, lossy=lossy, reached=groups.reached())
    groups.remove()
    os._exit(0)


def load(fd: int, channel: int) -> "Wire":
    """Read what is to be run from the build, and close the descriptor.

    ``channel``: where the command's terminal goes, or -1.
    """
    with open(fd, "rb") as stream:
        wire: Wire = marshal.load(stream)  # noqa: S302 - from the build itself
    if channel >= 0:
        from mkbuild.sandbox import terminal  # noqa: F401 -- now: inside, its file is out of reach
    wire["terminal"] = channel
    return wire


def _supervise(spec: "Wire", life: int, report: Report, groups: Groups) -> tuple[int, bool]:
    os.umask(0)
    syscalls.blank_command_line()
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    stage = Stage(spec["work"], userns=spec["userns"])
    root = mount_root(stage, spec)
    if spec["one_id"]:
        _help_apt(root, spec)
    mounts.prepare(spec, stage)
    stubs = Stubs(root)
    stubs.make(mounts.targets(spec))
    groups.make(spec["cgroups"])
    spaces = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
    if spec["network"] == "none":
        spaces |= syscalls.CLONE_NEWNET
    syscalls.unshare(spaces)
    ours, theirs = os.pipe()
    listener_ours, listener_theirs = _socket_pair() if spec["one_id"] else (-1, -1)
    child = os.fork()
    if not child:
        os.close(theirs)
        _init(spec, stage, root, report, groups, ours, listener_theirs)
    os.close(ours)
    for fd in (1, 2):  # only the RUN itself may hold its output open
        os.dup2(0, fd)
    if listener_theirs >= 0:
        os.close(listener_theirs)
    status, lossy = _wait(child, life, groups, listener_ours)
    stubs.remove()
    os.close(root)
    stage.close()
    return status, lossy


def _help_apt(root: int, spec: "Wire") -> None:
    """Keep apt from changing to its own user and checking that it did: there is none to be had."""
    try:
        os.close(open_below(root, "/etc/apt/apt.conf.d"))
    except PathError:
        return
    spec["files"]["/etc/apt/apt.conf.d/00one-id"] = b'APT::Sandbox::User "root";\n'


def _wait(child: int, life: int, groups: Groups, listeners: int) -> tuple[int, bool]:
    """Wait for pid 1, or for the build to end, which ends pid 1."""
    poll = select.poll()
    ended = os.pidfd_open(child)
    poll.register(ended, select.POLLIN)
    poll.register(life, 0)
    answering = None
    if listeners >= 0:
        from mkbuild.sandbox.answer import Answering

        answering = Answering(listeners, poll)
    while True:
        for fd, events in poll.poll():
            if fd == life:
                os.kill(child, 9)
                os.waitpid(child, 0)  # returns when its whole pid namespace is empty
                groups.remove()
                os._exit(_KILLED)
            if fd == ended:
                _, code = os.waitpid(child, 0)
                status = os.waitstatus_to_exitcode(code)
                return (128 - status if status < 0 else status), bool(answering and answering.lossy)
            if answering:
                answering.ready(fd, events)


def _socket_pair() -> tuple[int, int]:
    import socket

    one, other = socket.socketpair()
    return one.detach(), other.detach()


def _init(  # noqa: PLR0913, PLR0917 - the state that a fork hands on
    spec: "Wire",
    stage: Stage,
    root: int,
    report: Report,
    groups: Groups,
    supervisor: int,
    listeners: int,
) -> "NoReturn":
    try:
        syscalls.die_with_parent()
        if select.select([supervisor], [], [], 0)[0]:
            os._exit(_KILLED)
        groups.join()
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWCGROUP)
        os.close(root)
        root = os.open("root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.set_hostname(spec["hostname"])
        if spec["network"] == "none":
            syscalls.raise_loopback()
        mounts.Mounter(spec, stage, root).mount_all()
        os.chdir("root")
        syscalls.pivot_root_here()
        syscalls.set_undumpable()
        command = os.fork()
        if not command:
            _command(spec, report, listeners)
        os.dup2(report.fd, 0)
        syscalls.close_from(1)
        report.fd = 0
        status = _reap(command)
    except Exception as error:  # noqa: BLE001 - all of it is told to the build
        report.failed("set up the sandbox", error)
        status = _SETUP_FAILED
    os._exit(status)


def _reap(command: int) -> int:
    """Reap whatever ends until the command does; return its status as a shell would."""
    while True:
        pid, code = os.wait()
        if pid == command:
            status = os.waitstatus_to_exitcode(code)
            return 128 - status if status < 0 else status


def _command(spec: "Wire", report: Report, listeners: int) -> "NoReturn":
    doing = "prepare the command"
    try:
        os.setsid()
        standard_streams(spec)
        syscalls.reset_signals()
        syscalls.join_new_session_keyring()
        privileges.limit(spec["rlimits"])
        if spec["one_id"]:
            _hand_over_listener(spec, listeners)
        else:
            privileges.install_filter(spec)
        report.fd = only(report.fd)
        doing = f"change to the working directory {spec['cwd']}"
        os.chdir(spec["cwd"])
        doing = "prepare the command"
        privileges.become(spec)
        execute(spec)
    except Exception as error:  # noqa: BLE001 - all of it is told to the build
        report.failed(doing, error)
    os._exit(_SETUP_FAILED)


def only(fd: int) -> int:
    """Close every descriptor above 2 but one, which becomes 3; it is closed by exec."""
    os.dup2(fd, 3, inheritable=False)
    syscalls.close_from(4)
    return 3


def _hand_over_listener(spec: "Wire", listeners: int) -> None:
    import socket

    with socket.socket(fileno=listeners) as sender:
        listener = privileges.install_filter(spec)
        if listener:
            socket.send_fds(sender, [b"l"], [listener])


def standard_streams(spec: "Wire") -> None:
    """Open the RUN's own /dev/null, not the host's: a descriptor can be used to chmod it."""
    if spec["terminal"] >= 0:
        from mkbuild.sandbox import terminal

        terminal.take(spec)
        return
    if spec["stdin"]:
        fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
        with open(os.dup(fd), "wb") as stream:
            stream.write(spec["stdin"])
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        fd = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(fd, 0)
    if spec["uid"] and not spec["one_id"]:
        for stream_fd in (1, 2):  # so that the user can open /dev/stdout
            os.fchown(stream_fd, spec["uid"], -1)


def execute(spec: "Wire") -> "NoReturn":
    """Execute as a shell would: 127 where the command is not found, 126 where it cannot run.

    ValueError where an argument or a variable cannot be passed at all.
    """
    name = spec["argv"][0]
    search = spec["env"].get("PATH", _SEARCH).split(":")
    candidates = [name] if "/" in name else [f"{place or '.'}/{name}" for place in search]
    failure: OSError | None = None
    for candidate in candidates:
        try:
            os.execve(candidate, spec["argv"], spec["env"])  # noqa: S606 - what else
        except (FileNotFoundError, NotADirectoryError) as error:
            failure = failure or error
        except OSError as error:
            failure = error
            if error.errno != errno.EACCES:
                break
    missing = failure is None or failure.errno in (errno.ENOENT, errno.ENOTDIR)
    reason = "not found" if missing or not failure else failure.strerror
    os.write(2, os.fsencode(f"{name}: {reason}\n"))
    os._exit(_NOT_FOUND if missing else _NOT_EXECUTABLE)
