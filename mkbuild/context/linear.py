"""Ignore patterns with many wildcards, which a regular expression could try for ever.

RE2, with which the reference matches, needs time in proportion to a path; Python's expressions go
back to each wildcard for each of the others. Here, all ends that the atoms of an expression could
have reached are carried along, from one atom to the next.
"""

import math
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

DIRECTORIES = "(?:.*/)?"
ANYTHING = r"[\s\S]*"
REPEAT = re.compile(r"\{(0|[1-9][0-9]*)(,((?:0|[1-9][0-9]*)?))?\}")
FEW = 2
"""Wildcards that a regular expression manages with the longest of paths."""
_TRIES = 1 << 20
"""What a regular expression may try on one path: a fraction of a second."""


def wildcards(atoms: Sequence[str]) -> int:
    """Count the atoms that match texts of several lengths."""
    return sum(atom == DIRECTORIES or _is_starred(atom) or atom[0] == "{" for atom in atoms)


def _is_starred(atom: str) -> bool:
    return atom[0] in "[." and atom[-1] == "*"


class ManyWildcards:
    """A pattern as alternatives of atoms: matched by an expression as long as that is fast."""

    __slots__ = ("_alternatives", "_count", "_match")

    def __init__(self, alternatives: Sequence[Sequence[str]]) -> None:
        self._alternatives = alternatives
        self._count = max(map(wildcards, alternatives))
        self._match = re.compile("|".join(map("".join, alternatives))).fullmatch

    def matches(self, path: str) -> bool:
        """Whether it matches exactly this path."""
        if math.comb(len(path) + self._count, self._count) < _TRIES:
            return self._match(path) is not None
        return any(len(path) in _ends(atoms, path) for atoms in self._alternatives)


def _ends(atoms: Sequence[str], path: str) -> set[int]:
    """Return where in a path the atoms can end that begin at its start."""
    here, before = {0}, {0}
    for number, atom in enumerate(atoms):
        if atom[0] == "{":
            here = _repeated(atoms[number - 1], atom, path, before)
        else:
            here, before = _after(atom, path, here), here
    return here


def _after(atom: str, path: str, starts: set[int]) -> set[int]:
    if atom == DIRECTORIES:
        run = _run(".", path, starts)
        return starts | {place + 1 for place in run if path.startswith("/", place)}
    if _is_starred(atom):
        return _run(atom[:-1], path, starts)
    return set(_once(atom, path, starts))


def _once(atom: str, path: str, starts: Iterable[int]) -> Iterable[int]:
    match = _compiled(atom).match
    for start in starts:
        if found := match(path, start):
            yield found.end()


def _run(atom: str, path: str, starts: Iterable[int]) -> set[int]:
    """Repeat an atom of one character as often as it matches; every place is tried once."""
    match, found = _compiled(atom).match, set[int]()
    for start in starts:
        place = start
        while place not in found:
            found.add(place)
            if match(path, place):
                place += 1
    return found


def _repeated(atom: str, repeat: str, path: str, starts: set[int]) -> set[int]:
    parts = REPEAT.fullmatch(repeat)
    assert parts is not None  # noqa: S101 -- an atom that begins so is a repetition
    low = int(parts[1])
    high = low if parts[2] is None else int(parts[3]) if parts[3] else low + len(path)
    here = starts
    for _ in range(low):
        here = _after(atom, path, here)
    ends = set(here)
    for _ in range(high - low):
        here = _after(atom, path, here) - ends
        if not here:
            break
        ends |= here
    return ends


@lru_cache(maxsize=1024)
def _compiled(atom: str) -> re.Pattern[str]:
    return re.compile(atom)
