"""What this machine offers to tests; the reasons why a test cannot run here."""

import ctypes
import importlib.util
import os
import pwd
import shutil
from functools import cache
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_PROGRAMS = {
    "registry": "docker-registry",
    "redis": "redis-server",
    "nginx": "nginx",
    "browser": "chromium",
}


def lacks(marker: str) -> str | None:
    """Return why tests with a marker cannot run here, None where they can."""
    if marker == "root":
        return None if _can_mount() else "needs to be root with mount rights"
    if marker == "userns":
        return None if _has_user_namespaces() else "needs user namespaces and newuidmap"
    if marker == "dask":
        return None if importlib.util.find_spec("distributed") else "needs dask.distributed"
    program = _PROGRAMS.get(marker)
    if program and find(program) is None:
        return f"needs {program}"
    return None


def find(program: str) -> str | None:
    """Find a program, also where only root's PATH looks."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def unprivileged() -> tuple[int, int]:
    """Return uid and gid of an ordinary account that every Debian has."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid


@cache
def _can_mount() -> bool:
    """Try it in a child: unshare cannot be taken back."""
    if os.geteuid() != 0:
        return False
    child = os.fork()
    if child == 0:
        os._exit(ctypes.CDLL(None).unshare(_CLONE_NEWNS) != 0)
    return os.waitpid(child, 0)[1] == 0


@cache
def _has_user_namespaces() -> bool:
    limit = Path("/proc/sys/user/max_user_namespaces")
    allowed = limit.exists() and int(limit.read_text()) > 0
    return allowed and find("newuidmap") is not None
