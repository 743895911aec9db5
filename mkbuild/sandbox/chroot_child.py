"""The processes of one RUN in chroot mode: a supervisor and the command, without namespaces.

With CAP_SYS_ADMIN the supervisor has a mount namespace of its own, and the mounts are real; else
they are emulated. Every descendant becomes the supervisor's child when its parent ends, and is
killed when the command ends or the build does.
"""

import os
import select
import signal
import sys
from typing import NoReturn

from mkbuild.sandbox import emulate, mounts, privileges, syscalls, zygote
from mkbuild.sandbox.cgroups import Groups
from mkbuild.sandbox.child import Report, execute, load, only, standard_streams
from mkbuild.sandbox.emulate import Emulation
from mkbuild.sandbox.paths import PathError
from mkbuild.sandbox.rootfs import Stage, mount_root
from mkbuild.sandbox.stubs import Stubs
from mkbuild.sandbox.wire import Wire

_CAP_SETPCAP, _CAP_SYS_ADMIN = 8, 21


def main() -> NoReturn:
    """Be the zygote of a sandbox, with the socket that the argument names."""
    zygote.serve(_supervisor, int(sys.argv[1]))


def _supervisor(spec: int, life: int, report_fd: int, channel: int) -> NoReturn:
    report = Report(report_fd)
    groups = Groups()
    try:
        status = _supervise(load(spec, channel), life, report, groups)
    except Exception as error:  # noqa: BLE001 - all of it is told to the build
        report.failed("set up the chroot", error)
        groups.remove()
        os._exit(1)
    report.ended(status, lossy=False, reached=groups.reached())
    groups.remove()
    os._exit(0)


def _can_mount() -> bool:
    if not syscalls.permitted_capabilities() >> _CAP_SYS_ADMIN & 1:
        return False
    try:
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    except PermissionError:  # a filter or a security module is in the way
        return False
    return True


def _supervise(spec: Wire, life: int, report: Report, groups: Groups) -> int:
    os.umask(0)
    syscalls.be_subreaper()
    groups.make(spec["cgroups"])
    if _can_mount():
        return _mounted(spec, life, report, groups)
    if spec["network"] == "none":
        raise PathError("network none needs CAP_SYS_ADMIN")
    root = os.open(spec["tree"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    emulate.prepare(spec)
    stubs = Stubs(root)
    stubs.make(mounts.targets(spec))
    emulation = Emulation(spec, root, stubs)
    try:
        emulation.mount_all()
        return _run(spec, life, report, groups, root)
    finally:
        emulation.undo()
        stubs.remove()


def _mounted(spec: Wire, life: int, report: Report, groups: Groups) -> int:
    """Run with real mounts: made on a second view of the tree, so that the first sees the stubs."""
    stage = Stage(spec["work"], userns=spec["userns"])
    plain = os.open(spec["tree"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    root = mount_root(stage, spec)
    mounts.prepare(spec, stage)
    stubs = Stubs(plain)
    stubs.make(mounts.targets(spec))
    syscalls.unshare(syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
    syscalls.set_hostname(spec["hostname"])
    if spec["network"] == "none":
        syscalls.unshare(syscalls.CLONE_NEWNET)
        syscalls.raise_loopback()
    mounts.Mounter(spec, stage, root, own_processes=False).mount_all()
    os.close(root)
    status = _run(spec, life, report, groups, -1)
    stage.close()
    stubs.remove()
    return status


def _run(spec: Wire, life: int, report: Report, groups: Groups, root: int) -> int:
    """Run the command in ``root``; -1: the root that is mounted on the stage, and nothing else."""
    noticed, notice = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(notice)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    command = os.fork()
    if not command:
        _command(spec, report, groups, root)
    poll = select.poll()
    poll.register(noticed, select.POLLIN)
    poll.register(life, 0)
    while (code := _reap(command, os.WNOHANG)) is None:
        if any(fd == life for fd, _ in poll.poll()):
            os.kill(command, signal.SIGKILL)
            code = _reap(command, 0)
            break
        os.read(noticed, 512)
    _end_descendants()
    status = os.waitstatus_to_exitcode(code or 0)
    return 128 - status if status < 0 else status


def _reap(command: int, flags: int) -> int | None:
    """Reap what has ended, whoever's child it was; return how the command did, None: not yet."""
    while True:
        pid, code = os.waitpid(-1, flags)
        if pid == command:
            return code
        if not pid:
            return None


def _end_descendants() -> None:
    """Kill and reap until no child is left; those of a killed one become ours."""
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:
            children = stream.read().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        try:
            os.wait()
        except ChildProcessError:
            return


def _change_root(root: int) -> None:
    if root >= 0:
        os.fchdir(root)
        os.chroot(".")
        os.chdir("/")
        return
    syscalls.unshare(syscalls.CLONE_NEWNS)
    os.chdir("root")
    syscalls.pivot_root_here()


def _command(spec: Wire, report: Report, groups: Groups, root: int) -> NoReturn:
    doing = "prepare the command"
    try:
        os.setsid()
        syscalls.die_with_parent()
        groups.join()
        outside = root >= 0 and spec["terminal"] >= 0
        if outside:  # an emulated /dev gives no terminals
            standard_streams(spec)
        _change_root(root)
        if not outside:
            standard_streams(spec)
        syscalls.reset_signals()
        syscalls.join_new_session_keyring()
        privileges.limit(spec["rlimits"])
        if syscalls.permitted_capabilities() >> _CAP_SYS_ADMIN & 1:
            privileges.install_filter(spec)
        report.fd = only(report.fd)
        doing = f"change to the working directory {spec['cwd']}"
        os.chdir(spec["cwd"])
        doing = "prepare the command"
        privileges.become(spec)
        execute(spec)
    except Exception as error:  # noqa: BLE001 - all of it is told to the build
        report.failed(doing, error)
    os._exit(1)
