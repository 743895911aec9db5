"""Enters a user namespace in which this process is root: once, at the start, with one thread.

Whatever is unpacked, compared or collected afterwards sees the mapped ids. Three outcomes:

``root``    the process may mount already; nothing was done.
``ranges``  id 0 is the caller, 1 and up are its ranges from /etc/subuid and /etc/subgid, set by
            newuidmap and newgidmap; or all ids, where a container's root may map them itself.
``one-id``  id 0 is the caller, and no other id can be held.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, NoReturn

from mkbuild.errors import SandboxError
from mkbuild.frozen import frozen
from mkbuild.sandbox import syscalls

_CAP_SETGID, _CAP_SETUID, _CAP_SYS_ADMIN = 6, 7, 21

Mode = Literal["root", "ranges", "one-id"]


class Range(NamedTuple):
    """A line of a map: ids from ``inside`` on are those from ``outside`` on."""

    inside: int
    outside: int
    size: int


@frozen
class UserNamespace:
    """What :func:`enter` did: the mode, the two maps (empty for root), and why it was this mode."""

    mode: Mode
    uids: tuple[Range, ...] = ()
    gids: tuple[Range, ...] = ()
    reason: str = ""


def may_mount() -> bool:
    """Tell whether this process is root and has CAP_SYS_ADMIN in its user namespace."""
    return os.geteuid() == 0 and _has(_CAP_SYS_ADMIN)


def enter() -> UserNamespace:
    """Become root in a user namespace unless root with mount rights already.

    Raises SandboxError where the machine refuses, with what to change. The process must have a
    single thread; afterwards its ids are 0 and it has every capability inside.
    """
    if may_mount():
        return UserNamespace("root", reason="root with CAP_SYS_ADMIN")
    uid, gid = os.geteuid(), os.getegid()
    uids, gids, reason = wanted(uid, gid)
    mapper = _Mapper(uids, gids, direct=uid == 0)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER)
    except OSError as error:
        mapper.finish(go=False)
        raise _refused(error) from error
    if uids:
        failure = mapper.finish(go=True)
        reason = f"ids could not be mapped: {failure}" if failure else reason
    else:
        mapper.finish(go=False)
        failure = ""
    if failure or not uids:
        uids, gids = (Range(0, uid, 1),), (Range(0, gid, 1),)
        _map_own(uids, gids)
    else:
        os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    _check_mounting()
    return UserNamespace("ranges" if _count(uids) > 1 else "one-id", uids, gids, reason)


def refusal(then: Callable[[], str] = str) -> str:
    """Try in a forked process whether :func:`enter` works; return why not, or an empty string.

    ``then`` is called inside, and what it returns is returned.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            enter()
            said = then()
        except SandboxError as error:
            said = str(error)
        os.write(writer, os.fsencode(said))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(child, 0)
    return os.fsdecode(answer)


def subordinate(text: str, name: str, number: int) -> tuple[Range, ...]:
    """Read the ranges of a user, by name or number, from the text of /etc/subuid or /etc/subgid.

    They follow each other inside from id 1 on, and never overlap the caller's own id.
    """
    ranges: list[Range] = []
    inside = 1
    for line in text.splitlines():
        owner, _, rest = line.strip().partition(":")
        start, _, count = rest.partition(":")
        if owner in (name, str(number)) and start.isdigit() and count.isdigit() and int(count):
            ranges.append(Range(inside, int(start), int(count)))
            inside += int(count)
    return tuple(ranges)


def _has(capability: int) -> bool:
    return bool(syscalls.permitted_capabilities() >> capability & 1)


def _count(ranges: tuple[Range, ...]) -> int:
    return sum(r.size for r in ranges)


def wanted(uid: int, gid: int) -> tuple[tuple[Range, ...], tuple[Range, ...], str]:
    """Return the maps to ask for (empty: a single id) and why."""
    if uid == 0 and _has(_CAP_SETUID) and _has(_CAP_SETGID):
        return _all_ids("uid_map"), _all_ids("gid_map"), "root that may map ids but not mount"
    missing = [tool for tool in ("newuidmap", "newgidmap") if not shutil.which(tool)]
    if missing:
        return (), (), f"{' and '.join(missing)} not found (Debian: apt-get install uidmap)"
    name = _user_name(uid)
    uids = subordinate(_read("/etc/subuid"), name, uid)
    gids = subordinate(_read("/etc/subgid"), name, uid)
    if not uids or not gids:
        return (), (), f"no range for {name} in /etc/subuid and /etc/subgid"
    own = (Range(0, uid, 1), *uids), (Range(0, gid, 1), *gids)
    return *own, f"ranges of {name} in /etc/subuid and /etc/subgid"


def _all_ids(kind: str) -> tuple[Range, ...]:
    lines = [line.split() for line in _read(f"/proc/self/{kind}").splitlines()]
    return tuple(Range(int(inside), int(inside), int(count)) for inside, _, count in lines)


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return ""


class _Mapper:
    """A process that stays outside and maps the ids of this one: only from there it is allowed."""

    def __init__(self, uids: tuple[Range, ...], gids: tuple[Range, ...], *, direct: bool) -> None:
        self._maps = (("uid", uids), ("gid", gids))
        self._direct = direct
        self._outer = os.getpid()
        go, self._go = os.pipe()
        self._said, said = os.pipe()
        self._child = os.fork()
        if not self._child:
            os.close(self._go)
            self._work(go, said)
        os.close(go)
        os.close(said)

    def finish(self, *, go: bool) -> str:
        """Let it map (or not) and end; return what went wrong, or an empty string."""
        if go:
            os.write(self._go, b"g")
        os.close(self._go)
        with open(self._said, "rb") as stream:
            said = stream.read()
        _, code = os.waitpid(self._child, 0)
        text = os.fsdecode(said).strip()
        return text or (f"status {code}" if code else "")

    def _work(self, go: int, said: int) -> NoReturn:
        if not os.read(go, 1):
            os._exit(0)
        os.dup2(said, 2)
        try:
            for kind, ranges in self._maps:
                if self._direct:
                    _write_map(self._outer, kind, ranges)
                    continue
                words = [str(number) for line in ranges for number in line]
                tool = f"new{kind}map"
                command = [tool, str(self._outer), *words]
                _, code = os.waitpid(os.posix_spawnp(tool, command, os.environ), 0)
                if code:
                    os._exit(1)
        except OSError as error:
            os.write(2, os.fsencode(str(error)))
            os._exit(1)
        os._exit(0)


def _write_map(pid: int | str, kind: str, ranges: tuple[Range, ...]) -> None:
    text = "".join(f"{line.inside} {line.outside} {line.size}\n" for line in ranges)
    Path(f"/proc/{pid}/{kind}_map").write_text(text, encoding="ascii")


def _map_own(uids: tuple[Range, ...], gids: tuple[Range, ...]) -> None:
    """Map the single id that needs nobody's permission; that takes setgroups away."""
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        _write_map("self", "uid", uids)
        _write_map("self", "gid", gids)
    except OSError as error:
        raise _refused(error) from error


def _check_mounting() -> None:
    """Try a mount namespace: some systems give a user namespace, and then no rights in it."""
    child = os.fork()
    if not child:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    _, code = os.waitpid(child, 0)
    number = os.waitstatus_to_exitcode(code)
    if number:
        raise _refused(OSError(number, os.strerror(number), "unshare"))


_SYSCTLS = (
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)


def _refused(error: OSError) -> SandboxError:
    fixes = [fix for name, bad, fix in _SYSCTLS if _read(f"/proc/sys/{name}").strip() == bad]
    outer = (
        "inside a container its seccomp profile has to allow unshare and mount; else use "
        "--sandbox=chroot or --sandbox=modifyfs where this process is root"
    )
    return SandboxError(
        f"the kernel refuses a user namespace: {error.strerror} ({error.filename})",
        hint=f"as root: {'; '.join(fixes)}" if fixes else outer,
    )
