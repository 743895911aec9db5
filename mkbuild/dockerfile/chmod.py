"""``--chmod``: octal and symbolic modes as functions on permission bits (POSIX chmod).

Symbolic modes follow BSD's setmode, which BuildKit uses, with a umask of 0: ``s`` for the owner's
and the group's set-id bit, ``t`` for sticky; after ``-``, ``X`` is ``x``.
"""

from collections.abc import Callable
from typing import TypeAlias

from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

Change: TypeAlias = Callable[[int, bool], int]
"""From a mode (permission bits, 12 of them) and whether it is a directory's, to the new mode."""

_ALL, _STICKY, _SET_IDS = 0o6777, 0o1000, 0o6000
_WHO = {"a": _ALL, "u": 0o4700, "g": 0o2070, "o": 0o0007}
_PERMISSIONS = {"r": 0o444, "w": 0o222, "x": 0o111}
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_LIMIT = 0o7777
_MASK = 0xFFFF


def parse_mode(text: str) -> Change:
    """Read ``0755``, ``u+x,go-w``, ``a=rX``. Raises DockerfileError, for the caller to locate."""
    octal = octal_mode(text)
    if octal is not None:
        return lambda _mode, _is_directory: octal
    steps: list[_Step] = []
    for clause in text.split(","):
        steps += _clause(clause, text)
    return lambda mode, is_directory: _apply(steps, mode, is_directory=is_directory)


def octal_mode(text: str) -> int | None:
    """Return the value of an octal mode; None where it is symbolic. Raises DockerfileError."""
    if not text[:1].isdigit():
        return None
    if text.strip("01234567") or len(text.lstrip("0")) > len("7777"):
        message = f"invalid chmod parameter: '{text}'. it should be octal string"
        raise DockerfileError(message + " and between 0 and 07777", hint="write e.g. 0755 or u+x")
    return int(text, 8)


@frozen
class _Step:
    """``operator`` is one of ``+-X``, or the class ``ugo`` to copy from; ``bits`` is its mask."""

    operator: str
    bits: int
    sets: bool = False
    clears: bool = False
    classes: str = "ugo"


def _clause(clause: str, text: str) -> list[_Step]:
    position = 0
    who = 0
    while clause[position : position + 1] in _WHO:
        who |= _WHO[clause[position]]
        position += 1
    steps: list[_Step] = []
    if position == len(clause):
        raise _refused(text)
    while position < len(clause):
        operator = clause[position]
        if operator not in "+-=":
            raise _refused(text)
        end = position + 1
        while end < len(clause) and clause[end] not in "+-=":
            end += 1
        who = _operation(operator, who, clause[position + 1 : end], steps, text)
        position = end
    return steps


def _operation(operator: str, who: int, letters: str, steps: list[_Step], text: str) -> int:
    """Add the steps of one operator; returns ``who``, to which ``t`` adds the sticky bit."""
    who &= ~_STICKY
    bits, conditional, emitted = 0, False, False
    for letter in letters:
        if letter in _PERMISSIONS:
            bits |= _PERMISSIONS[letter]
        elif letter == "X" and operator != "-":
            conditional = True
        elif letter == "X":
            bits |= _PERMISSIONS["x"]
        elif letter in {"s", "t"}:
            if not who or who & ~_WHO["o"]:
                bits |= _SET_IDS if letter == "s" else _STICKY
                who |= _STICKY if letter == "t" else 0
        elif letter in _SHIFTS:
            emitted = _flush(operator, who, bits, steps, emitted=emitted or not bits)
            if conditional:
                steps.append(_Step("X", _masked(who, 0o111)))
            bits, conditional = 0, False
            steps.append(_copy(letter, operator, who))
            emitted = True
        else:
            raise _refused(text)
    _flush(operator, who, bits, steps, emitted=emitted and not bits)
    if conditional:
        steps.append(_Step("X", _masked(who, 0o111)))
    return who


def _flush(operator: str, who: int, bits: int, steps: list[_Step], *, emitted: bool) -> bool:
    """Write down the bits so far; ``=`` first clears what it may set, also where there are none."""
    if bits or (operator == "=" and not emitted):
        if operator == "=":
            steps.append(_Step("-", who or _ALL))
        steps.append(_Step("-" if operator == "-" else "+", _masked(who, bits)))
    return True


def _masked(who: int, bits: int) -> int:
    return who & bits if who else bits


def _copy(source: str, operator: str, who: int) -> _Step:
    classes = "".join(name for name, shift in _SHIFTS.items() if not who or who & (0o4 << shift))
    return _Step(source, _MASK, sets=operator in "+=", clears=operator in "-=", classes=classes)


def _apply(steps: list[_Step], mode: int, *, is_directory: bool) -> int:
    before = mode
    for step in steps:
        match step.operator:
            case "+":
                mode |= step.bits
            case "-":
                mode &= ~step.bits
            case "X":
                if before & 0o111 or is_directory:
                    mode |= step.bits
            case source:
                value = mode >> _SHIFTS[source] & 7
                for name in step.classes:
                    shift = _SHIFTS[name]
                    if step.clears:
                        mode &= ~((7 if step.sets else value) << shift)
                    if step.sets:
                        mode |= value << shift
    return mode & _LIMIT


def _refused(text: str) -> DockerfileError:
    message = f"invalid chmod parameter: '{text}': invalid syntax"
    return DockerfileError(message, hint="write an octal mode, or clauses like u+x,go-w,a=rX")
