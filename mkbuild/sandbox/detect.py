"""What this machine can do, for ``doctor``, and which sandbox is the best that works."""

import os
import tempfile
from pathlib import Path
from typing import Literal

from mkbuild.errors import SandboxError
from mkbuild.frozen import frozen
from mkbuild.sandbox import launch, limits, sealed, seccomp, syscalls, userns
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.namespace import NamespaceSandbox
from mkbuild.sandbox.spec import RunSpec, Sandbox

Mode = Literal["auto", "namespace", "chroot", "modifyfs"]

_CAP_SYS_CHROOT = 18
_NOTHING_TO_EXECUTE = 126


@frozen
class Finding:
    """One line of the table: what was looked at, whether it is there, and what that means."""

    name: str
    works: bool
    detail: str


@frozen
class Choice:
    """The sandbox taken, whether it can use overlays (else it needs whole trees), and why."""

    sandbox: Sandbox
    overlay: bool
    reason: str


def enter(mode: Mode) -> userns.UserNamespace | None:
    """Enter a user namespace if the mode needs one; at the start of the process, single-threaded.

    None where there is none and the mode can do without: chroot and modifyfs, and auto, where the
    kernel refuses one (what needs no RUN can be built all the same). SandboxError where it cannot.
    """
    if mode in {"chroot", "modifyfs"}:
        return None
    if mode == "auto" and not userns.may_mount() and userns.refusal():
        return None
    return userns.enter()


def choose(mode: Mode, directory: Path) -> Choice:
    """Return the best sandbox of a mode for states below ``directory`` (the store), tried once.

    Call it after :func:`enter`. SandboxError where the mode, or every mode, does not work here.
    """
    why_not = ""
    if mode != "chroot":
        sandbox = NamespaceSandbox()
        why_not = trial(directory, sandbox, overlay=True)
        if not why_not:
            return Choice(sandbox, overlay=True, reason="namespaces and overlayfs work")
        without = trial(directory, sandbox, overlay=False)
        if not without:
            reason = f"namespaces work, overlayfs does not: {why_not}"
            return Choice(sandbox, overlay=False, reason=reason)
        why_not = without
        if mode == "namespace":
            raise SandboxError(
                f"the namespace sandbox does not work here: {why_not}",
                hint="see 'mkbuild doctor', or use --sandbox=chroot as root",
            )
    if not may_chroot():
        why_not = (userns.refusal() if os.geteuid() != 0 else "") or why_not
        detail = f"; the namespace sandbox: {why_not}" if why_not else ""
        raise SandboxError(
            f"the chroot sandbox needs root with CAP_SYS_CHROOT{detail}",
            hint="see 'mkbuild doctor' for what this machine allows",
        )
    reason = f"namespaces do not work: {why_not}" if why_not else "chosen"
    return Choice(ChrootSandbox(), overlay=False, reason=reason)


def may_chroot() -> bool:
    """Tell whether this process is root and has CAP_SYS_CHROOT."""
    capable = syscalls.permitted_capabilities() >> _CAP_SYS_CHROOT & 1
    return os.geteuid() == 0 and bool(capable)


def trial(directory: Path, sandbox: Sandbox, *, overlay: bool) -> str:
    """Set up what a RUN needs, below a directory; return why that failed, or an empty string."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="trial-") as place:
        upper, work = Path(place, "upper"), Path(place, "work")
        upper.mkdir()
        work.mkdir()
        # a directory cannot be executed: status 126 says that all before that succeeded
        top, tree = (str(upper), "") if overlay else ("", str(upper))
        spec = RunSpec(argv=("/",), env={}, upper=top, work=str(work), tree=tree)
        try:
            outcome = sandbox.run(spec, lambda _fd, _data: None)
        except SandboxError as error:
            return error.message
    return "" if outcome.status == _NOTHING_TO_EXECUTE else f"status {outcome.status}"


def examine(directory: Path) -> list[Finding]:
    """Look at everything a sandbox needs, without entering anything."""
    root = userns.may_mount()
    refused = "" if root else userns.refusal()
    findings = [
        Finding("kernel", works=True, detail=f"{os.uname().release} {os.uname().machine}"),
        Finding("root with mount rights", root, "yes" if root else "no: a user namespace is used"),
        Finding("user namespaces", not refused, refused or "not needed" if root else "allowed"),
        _ranges(),
        _filter(),
        _copy(launch.interpreter()[0]),
    ]
    why = tried(directory, overlay=True)
    places = limits.find(frozenset({"cpu", "memory", "pids"}))
    unheld = "; ".join(dict.fromkeys(places.missing.values()))
    return [
        *findings,
        Finding("overlayfs", not why, why or "works"),
        Finding("limits of a RUN", not places.missing, unheld or "a cgroup for each"),
    ]


def tried(directory: Path, *, overlay: bool) -> str:
    """Try the namespace sandbox as a build would; why it does not work, or an empty string."""
    if userns.may_mount():
        return trial(directory, NamespaceSandbox(), overlay=overlay)
    return userns.refusal(lambda: trial(directory, NamespaceSandbox(), overlay=overlay))


def _ranges() -> Finding:
    name = "subordinate ids"
    if os.geteuid() == 0:
        return Finding(name, works=True, detail="not needed by root")
    uids, _, reason = userns.wanted(os.geteuid(), os.getegid())
    if uids:
        return Finding(name, works=True, detail=reason)
    single = "a single id: changes of owner are swallowed, and such results stay on this machine"
    return Finding(name, works=False, detail=f"{reason}; {single}")


def _copy(program: str) -> Finding:
    why = sealed.obstacle(program)
    risk = f"{why}; so a RUN as root can change the mode and owner of {program} (CVE-2019-5736)"
    return Finding("sealed interpreter", not why, risk if why else "a RUN gets a copy in memory")


def _filter() -> Finding:
    works = bool(seccomp.program(os.uname().machine))
    detail = "docker's default list" if works else "no system-call table for this machine"
    return Finding("seccomp filter", works, detail)
