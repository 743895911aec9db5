"""Whether ``/`` may be taken over (modifyfs mode): a throwaway container's, never a machine's.

``top``, where a function has it, is a directory to be looked at in place of ``/``.
"""

import os
import re
import sys

from mkbuild.sandbox import launch

_OCTAL = re.compile(r"\\([0-7]{3})")
_INIT = ("systemd", "init", "launchd", "openrc-init", "runit", "s6-svscan", "upstart")
_CGROUPS = ("docker", "kubepods", "containerd", "libpod", "lxc", "garden", "buildkit")
_KERNEL_THREADS = 2
INTERNAL = "/mkbuild-internal"
"""Where the static image has the tool; everything in it is kept."""


def mount_points(top: str = "") -> tuple[str, ...]:
    """Return where something is mounted below ``/``: absolute, those below others left out."""
    found = sorted(_mounts(top))
    return tuple(path for path in found if not any(path.startswith(f"{other}/") for other in found))


def is_mount_point(path: str, top: str = "") -> bool:
    """Tell whether something is mounted on a path, be it a file of the same filesystem."""
    return path in _mounts(top)


def _mounts(top: str) -> dict[str, tuple[str, str]]:
    """Return each mount point but ``/``, with the root of the mount and its source."""
    found = {}
    for line in _read(f"{top}/proc/self/mountinfo").splitlines():
        words, _, rest = line.partition(" - ")
        root, place = words.split()[3:5]
        found[_unquote(place)] = (_unquote(root), rest.split()[1])
    found.pop("/", None)
    return found


def _unquote(text: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)


def host_signs(top: str = "") -> tuple[str, ...]:
    """Return what says that ``/`` is a machine's own: each is a reason not to touch it."""
    signs = []
    init = _read(f"{top}/proc/1/comm").strip()
    if os.getpid() != 1 and init in _INIT:
        signs.append(f"process 1 is {init}")
    if _read(f"{top}/proc/{_KERNEL_THREADS}/comm").strip() == "kthreadd":
        signs.append("the kernel's threads are visible")
    found = _names(f"{top}/boot")
    kernels = [name for name in found if name.startswith(("vmlinuz", "initrd", "grub"))]
    if kernels:
        signs.append(f"/boot holds {kernels[0]}")
    if os.path.isdir(f"{top}/lib/modules/{os.uname().release}"):
        signs.append(f"/lib/modules holds the modules of this kernel ({os.uname().release})")
    homes = [name for name in _names(f"{top}/home") if os.path.isdir(f"{top}/home/{name}/.ssh")]
    if homes:
        signs.append(f"/home/{homes[0]} has ssh keys")
    if _root_is_a_disk(top):
        signs.append("/ is a whole disk or partition")
    if not signs and os.getpid() != 1 and not container_marks(top):
        signs.append("nothing says that this is a container, and process 1 is not mkbuild")
    return tuple(signs)


def container_marks(top: str = "") -> tuple[str, ...]:
    """Return what says that this is a container."""
    files = ("/.dockerenv", "/run/.containerenv")
    marks = [path for path in files if os.path.exists(f"{top}{path}")]
    marks += [name for name in ("container", "KUBERNETES_SERVICE_HOST") if os.environ.get(name)]
    groups = _read(f"{top}/proc/1/cgroup")
    return (*marks, *(f"cgroup {name}" for name in _CGROUPS if name in groups))


def _root_is_a_disk(top: str) -> bool:
    for line in _read(f"{top}/proc/self/mountinfo").splitlines():
        words, _, rest = line.partition(" - ")
        root, place = words.split()[3:5]
        if place == "/" and root == "/" and rest.split()[1].startswith("/dev/"):
            return True
    return False


def own_files() -> tuple[str, ...]:
    """Return the real paths that this process cannot do without: its code and its libraries."""
    found = {str(launch.ROOT), *(path for path in sys.path if os.path.exists(path))}
    for line in _read("/proc/self/maps").splitlines():
        words = line.split(maxsplit=5)
        # code only: what was mapped of data (a locale's) stays as it was
        if len(words) > 5 and "x" in words[1] and words[5].startswith("/"):  # noqa: PLR2004
            found.add(words[5].removesuffix(" (deleted)"))
    real = {os.path.realpath(path) for path in found}
    return tuple(sorted(path for path in real if not path.startswith(("/dev/", "/memfd:"))))


def lost(kept: frozenset[str]) -> tuple[str, ...]:
    """Return those of :func:`own_files` that are below none of these paths, relative to ``/``."""
    return tuple(
        path
        for path in own_files()
        if not any(f"{path}/".startswith(f"/{place}/") for place in kept)
    )


def _names(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except OSError:
        return ""
