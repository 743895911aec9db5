"""The interpreter as a copy in memory that nobody can change; supervisors are started from it.

``/proc/self/exe`` is what a process was last started from: for the process that becomes a RUN's
command, our interpreter. A RUN that names this link as its command, or as the interpreter of a
script, gets it executed among its own libraries, and then holds a file outside of its root: with
the rights of root it could give that another mode or owner (CVE-2019-5736 of runc is of this kind).
"""

import fcntl
import functools
import os
from pathlib import Path

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_ORIGIN = b"$ORIGIN"


@functools.cache
def copy(program: str) -> int | None:
    """Return a descriptor of a sealed copy of a program; None where :func:`obstacle` says why."""
    data = Path(program).read_bytes()
    if _obstacle(program, data):
        return None
    fd = os.memfd_create("mkbuild", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(os.dup(fd), "wb") as stream:
        stream.write(data)
    os.fchmod(fd, 0o555)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def obstacle(program: str) -> str:
    """Return why a program cannot run from memory, or an empty string."""
    return _obstacle(program, Path(program).read_bytes())


def _obstacle(program: str, data: bytes) -> str:
    if _refused():
        return "the kernel executes nothing from memory (sysctl vm.memfd_noexec)"
    if _ORIGIN in data:
        return f"{program} looks for its libraries beside itself ($ORIGIN)"
    return ""


def _refused() -> bool:
    try:
        return Path("/proc/sys/vm/memfd_noexec").read_text(encoding="ascii").strip() != "0"
    except OSError:
        return False
