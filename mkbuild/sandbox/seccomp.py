"""The system-call filter of a RUN: a BPF program assembled from ``seccomp.json``.

The table lists what docker's default profile allows to a container with the default capabilities,
with each call's number on every architecture (-1 where it has none). Four calls are judged by their
arguments; what is newer than the table answers ENOSYS, so that a libc falls back, everything else
EPERM. The program is passed to the child as bytes: the child needs neither the table nor a parser.
"""

import errno
import functools
import json
import struct
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

_LD, _JA, _JEQ, _JGT, _JGE, _JSET, _RET, _AND = 0x20, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06, 0x54
_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_NOTIFY = 0x7FC00000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_NAMESPACES = 0x7E020000
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET."""
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)
_AF_VSOCK = 40
_S_IFMT, _S_IFBLK = 0o170000, 0o060000
_KEEP = 0xFFFFFFFF

_IDS: dict[str, tuple[int, ...]] = {
    **{f"{call}{wide}": (1, 2) for call in ("chown", "fchown", "lchown") for wide in ("", "32")},
    "fchownat": (2, 3),
    **{f"set{what}id{w}": (0,) for what in ("u", "g", "fsu", "fsg") for w in ("", "32")},
    **{f"setre{what}id{w}": (0, 1) for what in ("u", "g") for w in ("", "32")},
    **{f"setres{what}id{w}": (0, 1, 2) for what in ("u", "g") for w in ("", "32")},
}
"""Which arguments of a call are ids: what a sandbox with one id has to answer itself."""
_GROUPS = ("setgroups", "setgroups32")


class Op(NamedTuple):
    """One BPF instruction: code, jumps when true and false (relative), operand."""

    code: int
    operand: int
    true: int = 0
    false: int = 0


class Table(NamedTuple):
    """``seccomp.json``: architectures with their audit numbers, and calls by name."""

    architectures: tuple[tuple[str, int], ...]
    last: int
    judged: dict[str, list[int]]
    allow: dict[str, list[int]]


@functools.cache
def table() -> Table:
    """Read the table that lies beside this module."""
    raw = json.loads(Path(__file__).with_name("seccomp.json").read_text(encoding="ascii"))
    architectures = tuple((str(name), int(audit)) for name, audit in raw["architectures"])
    return Table(architectures, raw["last"], raw["judged"], raw["allow"])


@functools.cache
def program(machine: str, *, one_id: bool = False) -> bytes:
    """Assemble the filter for a machine as ``os.uname`` names it; empty where the table has none.

    ``one_id``: calls that change an owner or an id to something other than 0 are passed to the
    filter's listener, which answers success; ``setgroups`` succeeds without effect.
    """
    family = {"x86_64": ("x86_64", "x86"), "aarch64": ("aarch64", "arm"), "riscv64": ("riscv64",)}
    sections = [
        (audit, _section(column, one_id=one_id))
        for column, (name, audit) in enumerate(table().architectures)
        if name in family.get(machine, ())
    ]
    if not sections:
        return b""
    ops = [Op(_LD, _ARCHITECTURE)]
    for audit, section in sections:
        ops += [Op(_JEQ, audit, true=1), Op(_JA, len(section)), *section]
    ops.append(Op(_RET, _ERRNO | errno.EPERM))
    return b"".join(struct.pack("=HBBI", op.code, op.true, op.false, op.operand) for op in ops)


def _section(column: int, *, one_id: bool) -> list[Op]:
    calls = table()
    ops = [Op(_LD, _NUMBER)]
    own = _id_calls() if one_id else {}
    judged = {name: _JUDGED[name] for name in calls.judged} | own
    numbers = {**calls.judged, **calls.allow}
    for name, verdict in judged.items():
        if numbers[name][column] >= 0:
            ops += [Op(_JEQ, numbers[name][column], false=len(verdict)), *verdict]
    allowed = {row[column] for name, row in calls.allow.items() if name not in own} - {-1}
    for low, high in _ranges(sorted(allowed)):
        ops += [Op(_JGE, low, false=2), Op(_JGT, high, true=1), Op(_RET, _ALLOW)]
    ops += [Op(_JGT, calls.last, false=1), Op(_RET, _ERRNO | errno.ENOSYS)]
    ops.append(Op(_RET, _ERRNO | errno.EPERM))
    return ops


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    """Join neighbours: ``[1, 2, 3, 7]`` gives ``[(1, 3), (7, 7)]``."""
    gaps = [(a, b) for a, b in pairwise(numbers) if b != a + 1]
    lows = [numbers[0], *(b for _, b in gaps)]
    highs = [*(a for a, _ in gaps), numbers[-1]]
    return list(zip(lows, highs, strict=True))


def _argument(index: int) -> Op:
    """Load the low half of an argument: ids, flags and modes have 32 bits (little-endian)."""
    return Op(_LD, _ARGUMENTS + 8 * index)


def _unless(test: Op, refused: int) -> list[Op]:
    """Refuse where the test holds, allow elsewhere."""
    return [test._replace(true=0, false=1), Op(_RET, refused), Op(_RET, _ALLOW)]


def _block_device(argument: int) -> list[Op]:
    test = _unless(Op(_JEQ, _S_IFBLK), _ERRNO | errno.EPERM)
    return [_argument(argument), Op(_AND, _S_IFMT), *test]


_JUDGED: dict[str, list[Op]] = {
    "clone": [_argument(0), *_unless(Op(_JSET, _NAMESPACES), _ERRNO | errno.EPERM)],
    # its flags lie in memory, where a filter cannot look; a libc then calls clone
    "clone3": [Op(_RET, _ERRNO | errno.ENOSYS)],
    "personality": [
        _argument(0),
        *(op for value in _PERSONALITIES for op in (Op(_JEQ, value, false=1), Op(_RET, _ALLOW))),
        Op(_RET, _ERRNO | errno.EPERM),
    ],
    "socket": [_argument(0), *_unless(Op(_JEQ, _AF_VSOCK), _ERRNO | errno.EPERM)],
    # no file system of a RUN lets a device be opened; a disk's node must not even be left behind
    "mknod": _block_device(1),
    "mknodat": _block_device(2),
}


def _id_calls() -> dict[str, list[Op]]:
    def held(index: int) -> list[Op]:
        other = [Op(_JEQ, _KEEP, true=1), Op(_RET, _NOTIFY)]
        return [_argument(index), Op(_JEQ, 0, true=len(other)), *other]

    calls = {
        name: [*(op for index in indices for op in held(index)), Op(_RET, _ALLOW)]
        for name, indices in _IDS.items()
    }
    return calls | {name: [Op(_RET, _ERRNO)] for name in _GROUPS}
