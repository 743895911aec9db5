"""Commands of another architecture: whether the kernel hands them to an emulator (binfmt_misc).

A handler serves a RUN only with the flag F: then the kernel holds the emulator open, and it need
not lie in the RUN's own root file system (Documentation/admin-guide/binfmt-misc.rst).
"""

from pathlib import Path
from typing import NamedTuple

from mkbuild.oci.model import Platform

HANDLERS = Path("/proc/sys/fs/binfmt_misc")
HINT = (
    "as root: apt-get install qemu-user-static binfmt-support, or docker run --privileged --rm "
    "tonistiigi/binfmt --install all; FROM --platform=$BUILDPLATFORM runs a stage natively"
)

_ELF_64, _ELF_32 = 2, 1
_LITTLE, _BIG = 1, 2
_EXECUTABLE = 2


class _Kind(NamedTuple):
    """What an ELF header says of an architecture: class, byte order, e_machine (elf(5))."""

    bits: int
    order: int
    machine: int


_KINDS = {
    "386": _Kind(_ELF_32, _LITTLE, 3),
    "amd64": _Kind(_ELF_64, _LITTLE, 62),
    "arm": _Kind(_ELF_32, _LITTLE, 40),
    "arm64": _Kind(_ELF_64, _LITTLE, 183),
    "loong64": _Kind(_ELF_64, _LITTLE, 258),
    "mips64le": _Kind(_ELF_64, _LITTLE, 8),
    "ppc64le": _Kind(_ELF_64, _LITTLE, 21),
    "riscv64": _Kind(_ELF_64, _LITTLE, 243),
    "s390x": _Kind(_ELF_64, _BIG, 22),
}
_RUN_AS_THEY_ARE = {("amd64", "386")}


def is_foreign(platform: Platform, native: Platform) -> bool:
    """Whether a platform's commands need an emulator on this machine."""
    pair = (native.architecture, platform.architecture)
    if platform.os == native.os and pair in _RUN_AS_THEY_ARE:
        return False
    return (platform.os, platform.architecture) != (native.os, native.architecture)


def is_emulated(platform: Platform, handlers: Path = HANDLERS) -> bool:
    """Whether a handler for a platform's executables is registered.

    True as well where that cannot be known: a container's /proc mostly lacks the list, while the
    machine's handlers hold in it. The command then fails to start where there is none.
    """
    if not (handlers / "status").exists():
        return platform.os == "linux"
    kind = _KINDS.get(platform.architecture)
    if kind is None or platform.os != "linux":
        return False
    header = _header(kind)
    entries = (path for path in handlers.iterdir() if path.name not in {"register", "status"})
    return any(_serves(path.read_text(encoding="utf-8"), header) for path in entries)


def _header(kind: _Kind) -> bytes:
    """Return the first 20 bytes of an executable of an architecture."""
    order = "little" if kind.order == _LITTLE else "big"
    start = b"\x7fELF" + bytes([kind.bits, kind.order, 1]) + bytes(9)
    numbers = (_EXECUTABLE, kind.machine)
    return start + b"".join(number.to_bytes(2, order) for number in numbers)  # type: ignore[arg-type]


def _serves(handler: str, header: bytes) -> bool:
    """Whether a handler, as the kernel describes it, takes files that begin so."""
    lines = handler.splitlines()
    fields = dict(line.split(maxsplit=1) for line in lines if " " in line)
    if "enabled" not in lines or "magic" not in fields or "F" not in fields.get("flags:", ""):
        return False
    magic = bytes.fromhex(fields["magic"])
    mask = bytes.fromhex(fields["mask"]) if "mask" in fields else b"\xff" * len(magic)
    part = header[int(fields.get("offset", "0")) :]
    pairs = zip(part, magic, mask, strict=False)
    return len(magic) <= len(part) and all(a & m == b & m for a, b, m in pairs)
