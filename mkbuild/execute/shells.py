"""Which shell a state has, and where the machine has one that runs anywhere."""

import shutil
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from mkbuild.errors import StepError, UsageError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index

SHELLS = ("bash", "sh", "ash", "dash", "ksh", "zsh")
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EXECUTABLE = 0o111
_INTERPRETER = 3
"""PT_INTERP (elf(5)): the program needs a dynamic loader."""


def find_shell(index: Index, env: Mapping[str, str], shell: Sequence[str] | None) -> str:
    """Return the path of the shell to open: SHELL's, else $SHELL, else the usual ones.

    Raises StepError, with the names that were looked for, where a state has none.
    """
    wanted = dict.fromkeys([*(shell or ())[:1], *filter(None, [env.get("SHELL")]), *SHELLS])
    for name in wanted:
        for path in _candidates(name, env.get("PATH") or _DEFAULT_PATH):
            if _is_executable(index, path):
                return path
    raise StepError(
        f"there is no shell in this state: looked for {', '.join(wanted)}",
        hint="--busybox brings this machine's, where it is static (Debian: busybox-static)",
    )


def _candidates(name: str, path: str) -> list[str]:
    return [name] if "/" in name else [f"{place or '.'}/{name}" for place in path.split(":")]


def _is_executable(index: Index, path: str) -> bool:
    try:
        found = index.get(index.resolve(path))
    except StepError:  # links in a circle
        return False
    return (
        found is not None and found.entry.type == toc.FILE and bool(found.entry.mode & _EXECUTABLE)
    )


def static_busybox() -> str:
    """Return the path of this machine's busybox; raises UsageError where none is static."""
    place = shutil.which("busybox")
    if place is None or needs_loader(Path(place).read_bytes()):
        what = f"{place} needs a dynamic loader" if place else "there is no busybox on PATH"
        raise UsageError(f"--busybox: {what}", hint="Debian: apt-get install busybox-static")
    return str(Path(place).resolve())


def needs_loader(program: bytes) -> bool:
    """Tell whether an ELF file names a dynamic loader; whatever is no 64-bit ELF does."""
    if program[:5] != b"\x7fELF\x02":
        return True
    order = "<" if program[5] == 1 else ">"
    (start,) = struct.unpack_from(f"{order}Q", program, 32)
    size, count = struct.unpack_from(f"{order}HH", program, 54)
    kinds = (struct.unpack_from(f"{order}I", program, start + n * size)[0] for n in range(count))
    return _INTERPRETER in kinds
