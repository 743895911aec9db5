import errno
import struct
from collections.abc import Callable

import pytest

from mkbuild.sandbox import seccomp

X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOW, NOTIFY = 0x7FFF0000, 0x7FC00000
EPERM, ENOSYS, SUCCESS = (0x50000 | code for code in (errno.EPERM, errno.ENOSYS, 0))
LD, JA, JEQ, JGT, JGE, JSET, RET, AND = 0x20, 0x05, 0x15, 0x25, 0x35, 0x45, 0x06, 0x54


def evaluate(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """Interpret a program as the kernel does, on a struct seccomp_data."""
    padded = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, audit, 0, *padded)
    ops = list(struct.iter_unpack("=HBBI", program))
    tests: dict[int, Callable[[int, int], bool]] = {
        JEQ: lambda a, k: a == k,
        JGT: lambda a, k: a > k,
        JGE: lambda a, k: a >= k,
        JSET: lambda a, k: bool(a & k),
    }
    accumulator, at = 0, 0
    while True:
        code, true, false, operand = ops[at]
        at += 1
        if code == RET:
            return int(operand)
        if code == LD:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif code == AND:
            accumulator &= operand
        elif code == JA:
            at += operand
        else:
            at += true if tests[code](accumulator, operand) else false


def number(name: str, column: int = 0) -> int:
    rows = seccomp.table()
    return {**rows.judged, **rows.allow}[name][column]


@pytest.fixture(scope="module")
def program() -> bytes:
    return seccomp.program("x86_64")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "riscv64"])
@pytest.mark.parametrize("one_id", [False, True])
def test_every_call_of_every_architecture(machine: str, *, one_id: bool) -> None:
    made = seccomp.program(machine, one_id=one_id)
    assert len(made) // 8 <= 4096  # BPF_MAXINSNS
    rows = seccomp.table()
    family = {"x86_64": (0, 1), "aarch64": (2, 3), "riscv64": (4,)}[machine]
    for column in family:
        audit = rows.architectures[column][1]
        allowed = {row[column] for row in rows.allow.values()} - {-1}
        judged = {row[column] for row in rows.judged.values()} - {-1}
        for call in set(range(600)) - judged:
            verdict = evaluate(made, audit, call)
            if call in allowed:
                assert verdict in ((ALLOW, SUCCESS) if one_id else (ALLOW,)), call
            else:
                assert verdict == (ENOSYS if call > rows.last else EPERM), call


def test_numbers_are_the_kernels() -> None:
    assert (number("read"), number("read", 1), number("read", 2)) == (0, 3, 63)
    assert (number("fchownat"), number("openat2"), number("execve", 2)) == (260, 437, 221)


@pytest.mark.parametrize(
    "forbidden",
    ["mount", "umount2", "unshare", "setns", "keyctl", "bpf", "ptrace_", "open_by_handle_at"],
)
def test_what_is_not_in_the_table_is_refused(forbidden: str) -> None:
    assert forbidden not in seccomp.table().allow


def test_another_architecture_is_refused(program: bytes) -> None:
    assert evaluate(program, AARCH64, number("read", 2)) == EPERM
    assert evaluate(program, X86, number("read", 1)) == ALLOW
    assert evaluate(program, X86_64, 0x40000000 | number("read")) == ENOSYS  # x32


@pytest.mark.parametrize(
    ("call", "arguments", "verdict"),
    [
        ("clone", (0x11,), ALLOW),
        ("clone", (0x3D0F00,), ALLOW),
        ("clone", (0x10000000,), EPERM),
        ("clone", (0x20000 | 0x11,), EPERM),
        ("clone3", (), ENOSYS),
        ("personality", (0,), ALLOW),
        ("personality", (0xFFFFFFFF,), ALLOW),
        ("personality", (0x0040000,), EPERM),
        ("socket", (1, 1, 0), ALLOW),
        ("socket", (40, 1, 0), EPERM),
        ("mknod", (0, 0o20666, 0x103), ALLOW),
        ("mknod", (0, 0o100644, 0), ALLOW),
        ("mknod", (0, 0o60660, 0x800), EPERM),
        ("mknodat", (0, 0, 0o60660, 0x800), EPERM),
        ("mknodat", (0, 0, 0o10660, 0), ALLOW),
        ("chown", (0, 5, 5), ALLOW),
    ],
)
def test_calls_judged_by_their_arguments(
    program: bytes, call: str, arguments: tuple[int, ...], verdict: int
) -> None:
    assert evaluate(program, X86_64, number(call), *arguments) == verdict


@pytest.mark.parametrize(
    ("call", "arguments", "verdict"),
    [
        ("chown", (0, 0, 0), ALLOW),
        ("chown", (0, 0xFFFFFFFF, 0), ALLOW),
        ("chown", (0, 2**64 - 1, 2**64 - 1), ALLOW),
        ("chown", (0, 5, 0), NOTIFY),
        ("chown", (0, 0, 5), NOTIFY),
        ("lchown", (0, 0xFFFFFFFF, 5), NOTIFY),
        ("fchownat", (5, 5, 0, 0), ALLOW),
        ("fchownat", (0, 0, 0, 5), NOTIFY),
        ("setuid", (0,), ALLOW),
        ("setuid", (1000,), NOTIFY),
        ("setresgid", (0xFFFFFFFF, 0xFFFFFFFF, 7), NOTIFY),
        ("setgroups", (1, 0), SUCCESS),
        ("read", (), ALLOW),
        ("mount", (), EPERM),
    ],
)
def test_a_single_id(call: str, arguments: tuple[int, ...], verdict: int) -> None:
    made = seccomp.program("x86_64", one_id=True)
    at = 165 if call == "mount" else number(call)
    assert evaluate(made, X86_64, at, *arguments) == verdict


def test_an_unknown_machine_has_no_program() -> None:
    assert seccomp.program("s390x") == b""
