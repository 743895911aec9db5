"""The sandbox modes: which works here, which is taken, and what each keeps a RUN from."""

import os
from pathlib import Path

from mkbuild.frozen import frozen
from mkbuild.sandbox import container, detect, userns

_NOTHING = "nothing: the container around it is the boundary"


@frozen
class Mode:
    """A value of ``--sandbox``.

    ``detail``: how it works, or why it does not. ``keeps_from``: what a RUN cannot reach.
    ``taken``: whether ``auto`` takes it.
    """

    name: str
    works: bool
    detail: str
    keeps_from: str
    taken: bool = False


def modes(directory: Path) -> tuple[Mode, ...]:
    """Try each mode for states below ``directory`` (the store); nothing is entered or changed."""
    namespace, chroot = _namespace(directory), detect.may_chroot()
    mounts = userns.may_mount()
    return (
        namespace,
        Mode(
            "chroot",
            chroot,
            _chroot(mounts=mounts) if chroot else "needs root with CAP_SYS_CHROOT",
            "the machine, but for its processes and sockets" if mounts else _NOTHING,
            taken=chroot and not namespace.works,
        ),
        _modifyfs(),
    )


def _namespace(directory: Path) -> Mode:
    overlay = detect.tried(directory, overlay=True)
    why = overlay and detect.tried(directory, overlay=False)
    how = f"{_who()}; overlayfs{' does not work, so whole trees are copied' if overlay else ''}"
    keeps_from = "the machine; with --network=none from its network, too"
    return Mode("namespace", not why, why or how, keeps_from, taken=not why)


def _who() -> str:
    if userns.may_mount():
        return "as root"
    uids, _, _ = userns.wanted(os.geteuid(), os.getegid())
    return "in a user namespace, " + ("with subordinate ids" if uids else "with a single id")


def _chroot(*, mounts: bool) -> str:
    return "with mounts" if mounts else "mounts are emulated: it lacks CAP_SYS_ADMIN"


def _modifyfs() -> Mode:
    why = ""
    if os.geteuid() != 0:
        why = "needs to be root in a container"
    elif signs := container.host_signs():
        why = f"/ looks like a real machine's: {'; '.join(signs)}"
    elif lost := container.lost(frozenset({container.INTERNAL.lstrip("/")})):
        why = f"would remove mkbuild itself ({lost[0]})"
    return Mode("modifyfs", not why, why or "only with --modifyfs", _NOTHING)
