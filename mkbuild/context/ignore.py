"""Ignore files: reading them, and asking what they exclude (Dockerfile reference, .dockerignore).

Patterns count in order, the last that matches wins, and what matches a directory matches all
that is below it. Consecutive patterns of one polarity form a group, within which order does not
matter; so a path costs a few set look-ups and at most one regular expression a group.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import field

from mkbuild.context.goglob import PatternError
from mkbuild.context.linear import FEW, ManyWildcards, wildcards
from mkbuild.context.pattern import Rule, clean, compile_rule, split_exception
from mkbuild.errors import UserError
from mkbuild.frozen import frozen
from mkbuild.location import Location


@frozen
class MatchInfo:
    """What is known of a directory in a walk: one bit for every group that matched it."""

    bits: int = 0


def read(text: str) -> list[str]:
    """Read an ignore file: patterns in order, cleaned, relative to the context's root."""
    return [pattern for _, pattern in _read(text)]


def _read(text: str) -> Iterable[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        exception = pattern.startswith("!")
        if exception:
            pattern = pattern[1:].strip()
        if pattern:
            pattern = clean(pattern)
            if len(pattern) > 1:
                pattern = pattern.removeprefix("/")
        yield number, "!" + pattern if exception else pattern


class _Group:
    """Consecutive patterns of one polarity."""

    __slots__ = ("_exact", "_many", "_names", "_prefixes", "_regex", "_suffixes", "exception")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.exception = rules[0].exception
        exact, names = set[str](), set[str]()
        prefixes, suffixes, regexes = list[str](), list[str](), list[str]()
        many = list[ManyWildcards]()
        for rule in rules:
            match rule.kind:
                case "exact":
                    exact.add(rule.text)
                case "prefix":
                    prefixes.append(rule.text)
                case "suffix" if rule.text.startswith("/") and "/" not in rule.text[1:]:
                    names.add(rule.text[1:])
                case "suffix":
                    suffixes.append(rule.text)
                    if rule.text.startswith("/"):
                        exact.add(rule.text[1:])
                case "regex" if max(map(wildcards, rule.alternatives)) > FEW:
                    many.append(ManyWildcards(rule.alternatives))
                case "regex":
                    regexes.append(f"(?:{rule.text})")
        self._exact, self._names = frozenset(exact), frozenset(names)
        self._prefixes, self._suffixes = tuple(prefixes), tuple(suffixes)
        self._many = tuple(many)
        self._regex = re.compile("|".join(regexes)).fullmatch if regexes else None

    def matches(self, path: str) -> bool:
        """Whether one of the patterns matches exactly this path."""
        return (
            path in self._exact
            or (bool(self._names) and path.rpartition("/")[2] in self._names)
            or path.startswith(self._prefixes)
            or path.endswith(self._suffixes)
            or (self._regex is not None and self._regex(path) is not None)
            or any(pattern.matches(path) for pattern in self._many)
        )


@frozen
class Ignore:
    """Compiled patterns. Paths are relative to the context, slash-separated, and cleaned.

    ``locations`` says where each pattern stands, for errors. Raises UserError where a pattern
    means nothing.
    """

    patterns: Sequence[str] = ()
    locations: Sequence[Location] = field(default=(), repr=False)
    _groups: tuple[_Group, ...] = field(init=False, repr=False, compare=False)
    _exceptions: tuple[Rule, ...] = field(init=False, repr=False, compare=False)
    _known: dict[str, int] = field(
        init=False, repr=False, compare=False, hash=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        """Compile the patterns."""
        runs: list[list[Rule]] = []
        for index, pattern in enumerate(self.patterns):
            rule = self._compile(index, pattern, first=not runs)
            if rule is None:
                continue
            if runs and runs[-1][0].exception == rule.exception:
                runs[-1].append(rule)
            else:
                runs.append([rule])
        object.__setattr__(self, "_groups", tuple(map(_Group, runs)))
        exceptions = tuple(rule for run in runs for rule in run if rule.exception)
        object.__setattr__(self, "_exceptions", exceptions)

    @classmethod
    def parse(cls, text: str, name: str = ".dockerignore") -> "Ignore":
        """Read and compile an ignore file; ``name`` is for errors."""
        lines = list(_read(text))
        return cls(
            tuple(pattern for _, pattern in lines),
            tuple(Location(name, number, 1) for number, _ in lines),
        )

    def _compile(self, index: int, pattern: str, *, first: bool) -> Rule | None:
        try:
            if first and split_exception(pattern)[1]:
                return None  # an exception to nothing
            return compile_rule(pattern)
        except PatternError as error:
            message = f"cannot use the ignore pattern {pattern!r}: {error}"
            location = self.locations[index] if index < len(self.locations) else None
            hint = "escape a special character with a backslash, or close the bracket"
            raise UserError(message, location=location, hint=hint) from error

    def __bool__(self) -> bool:
        """Whether anything can be excluded at all."""
        return bool(self._groups)

    @property
    def has_exceptions(self) -> bool:
        """Whether a pattern re-includes (``!``)."""
        return bool(self._exceptions)

    def excluded(self, path: str) -> bool:
        """Whether the path is excluded, by itself or by one of its parents."""
        if not self._groups:
            return False
        path = clean(path)
        if path == ".":
            return False  # nothing excludes the context itself
        parent, slash, _ = path.rpartition("/")
        bits = self._matched(path) | (self._with_parents(parent) if slash else 0)
        result = False
        for index, group in enumerate(self._groups):
            if group.exception == result and bits >> index & 1:
                result = not group.exception
        return result

    def _matched(self, path: str) -> int:
        bits = 0
        for index, group in enumerate(self._groups):
            bits |= group.matches(path) << index
        return bits

    def _with_parents(self, directory: str) -> int:
        known = self._known.get(directory)
        if known is None:
            parent, slash, _ = directory.rpartition("/")
            known = self._matched(directory) | (self._with_parents(parent) if slash else 0)
            self._known[directory] = known
        return known

    def step(self, path: str, parent: MatchInfo) -> tuple[bool, MatchInfo]:
        """Decide a path of a walk from what is known of its directory.

        ``MatchInfo()`` stands for the context itself. It differs from :meth:`excluded` where an
        exception names a directory that nothing had excluded: here, as in the walk that sends a
        context to BuildKit, the exception then says nothing about what is below.
        """
        result, bits = False, 0
        for index, group in enumerate(self._groups):
            bit = 1 << index
            if parent.bits & bit or (group.exception == result and group.matches(path)):
                bits |= bit
                result = not group.exception
        return result, parent if bits == parent.bits else MatchInfo(bits)

    def may_reinclude(self, directory: str) -> bool:
        """Whether an exception could match below an excluded directory: else a walk skips it."""
        if not self._exceptions:
            return False
        inside = directory + "/"
        depth = inside.count("/")
        return any(
            (rule.depth is None or rule.depth > depth)
            and (rule.literal.startswith(inside) or inside.startswith(rule.literal))
            for rule in self._exceptions
        )
