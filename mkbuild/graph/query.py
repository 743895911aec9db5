"""The query language: sets of targets, by functions and operators.

::

    expression = term {("+" | "-" | "^") term}        from left to right: union, without, both
    term       = "(" expression ")" | function | selection
    function   = deps(x[, depth]) | rdeps(x[, depth])     what x needs, what needs x; x included
               | somepath(x, y) | allpaths(x, y)          targets on one path, on all paths
               | kind(pattern, x)                         published, internal; pattern is a regex
               | attr(key, pattern, x)                    whose member key matches the regex
               | filter(pattern, x)                       whose label matches the regex

A selection is what ``select`` reads (no ``!``); quotes keep one that holds a space or a bracket. An
operator stands where a term could not go on: ``a - b``, while ``a-b`` is a name.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.target import Target, Workspace
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen
from mkbuild.graph.select import select
from mkbuild.graph.targets import TargetGraph

MAX_DEPTH = 100

Token: TypeAlias = tuple[str, str, int]
"""Kind (``word quoted sign end``), text, offset."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<sign>[()+,^-])|(?P<quoted>"[^"]*"|'[^']*')|(?P<word>[^\s()+,^"']+))"""
)
_ATTRIBUTES = frozenset(
    field.name for field in dataclasses.fields(Target) if field.name != "git_uses"
)


def run(text: str, workspace: Workspace, graph: TargetGraph) -> tuple[str, ...]:
    """Return the labels that a query means, in the workspace's order; may be empty.

    Raises UsageError that shows where the query is wrong, SelectionError for an unknown name.
    """
    query = _Query(text, workspace, graph)
    found = query.expression(0)
    query.expect_end()
    return tuple(label for label in workspace.targets if label in found)


@frozen
class _Function:
    parameters: tuple[str, ...]
    optional: int = 0


_FUNCTIONS: Mapping[str, _Function] = {
    "deps": _Function(("set", "number"), optional=1),
    "rdeps": _Function(("set", "number"), optional=1),
    "somepath": _Function(("set", "set")),
    "allpaths": _Function(("set", "set")),
    "kind": _Function(("pattern", "set")),
    "attr": _Function(("word", "pattern", "set")),
    "filter": _Function(("pattern", "set")),
}


class _Query:
    def __init__(self, text: str, workspace: Workspace, graph: TargetGraph) -> None:
        self.text = text
        self.workspace = workspace
        self.graph = graph
        self.tokens = self._tokens()
        self.at = 0

    def error(self, message: str, offset: int, hint: str | None = None) -> UsageError:
        mark = " " * offset + "^"
        return UsageError(
            f"query, column {offset + 1}: {message}\n  {self.text}\n  {mark}", hint=hint
        )

    def _tokens(self) -> list[Token]:
        tokens: list[Token] = []
        at, end = 0, len(self.text.rstrip())
        while at < end:
            match = _TOKEN.match(self.text, at)
            if not match:
                start = at + len(self.text[at:]) - len(self.text[at:].lstrip())
                raise self.error("a quote that is never closed", start)
            for kind in ("sign", "quoted", "word"):
                value = match[kind]
                if value is not None:
                    tokens.append((kind, value, match.start(kind)))
            at = match.end()
        tokens.append(("end", "", end))
        return tokens

    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def expression(self, depth: int) -> set[str]:
        if depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} levels deep", self.peek()[2])
        found = self.term(depth)
        while self.peek()[0] == "sign" and self.peek()[1] in "+-^":
            sign = self.next()[1]
            other = self.term(depth)
            found = (
                found | other if sign == "+" else found - other if sign == "-" else found & other
            )
        return found

    def term(self, depth: int) -> set[str]:
        kind, value, offset = self.next()
        if kind == "sign" and value == "(":
            found = self.expression(depth + 1)
            self.expect(")")
            return found
        if kind == "word" and self.peek()[1] == "(" and self.peek()[0] == "sign":
            return self.call(value, offset, depth)
        if kind in ("word", "quoted"):
            text = value[1:-1] if kind == "quoted" else value
            if text.startswith("!"):
                raise self.error("'!' is for command lines", offset, "write all - " + text[1:])
            return set(select([text], self.workspace, lambda: self.graph))
        what = "the end" if kind == "end" else repr(value)
        raise self.error(
            f"found {what}, expected a selection, a function or '('",
            offset,
            "a name with a space or a bracket goes in quotes",
        )

    def expect(self, sign: str) -> None:
        kind, value, offset = self.next()
        if kind != "sign" or value != sign:
            what = "the end" if kind == "end" else repr(value)
            raise self.error(f"found {what}, expected {sign!r}", offset)

    def expect_end(self) -> None:
        kind, value, offset = self.peek()
        if kind != "end":
            raise self.error(f"found {value!r}, expected an operator (+ - ^)", offset)

    def call(self, name: str, offset: int, depth: int) -> set[str]:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise self.error(
                f"there is no function {name}()",
                offset,
                did_you_mean(name, _FUNCTIONS) or f"functions: {', '.join(_FUNCTIONS)}",
            )
        self.expect("(")
        arguments: list[object] = []
        for index, parameter in enumerate(function.parameters):
            if index:
                optional = index >= len(function.parameters) - function.optional
                if optional and self.peek()[1] != ",":
                    break
                self.expect(",")
            arguments.append(self.argument(parameter, depth))
        self.expect(")")
        return self.apply(name, arguments)

    def argument(self, parameter: str, depth: int) -> object:
        if parameter == "set":
            return self.expression(depth + 1)
        kind, value, offset = self.next()
        if kind not in ("word", "quoted"):
            what = "the end" if kind == "end" else repr(value)
            raise self.error(f"found {what}, expected a {parameter}", offset)
        text = value[1:-1] if kind == "quoted" else value
        if parameter == "number":
            return self.number(text, offset)
        return self.pattern(text, offset) if parameter == "pattern" else self.key(text, offset)

    def number(self, text: str, offset: int) -> int:
        if not (text.isascii() and text.isdecimal()):
            raise self.error(f"found {text!r}, expected a number of edges", offset)
        return int(text)

    def pattern(self, text: str, offset: int) -> re.Pattern[str]:
        try:
            return re.compile(text)
        except re.error as error:
            raise self.error(f"not a regular expression: {error}", offset) from None

    def key(self, text: str, offset: int) -> str:
        if text not in _ATTRIBUTES:
            raise self.error(
                f"targets have no {text!r}",
                offset,
                did_you_mean(text, _ATTRIBUTES) or f"there are: {', '.join(sorted(_ATTRIBUTES))}",
            )
        return text

    def apply(self, name: str, arguments: list[object]) -> set[str]:  # noqa: PLR0911 -- one a function
        match name, arguments:
            case "deps", [set() as labels, *rest]:
                return self.graph.dependencies(labels, _depth(rest))
            case "rdeps", [set() as labels, *rest]:
                return self.graph.dependents(labels, _depth(rest))
            case "allpaths", [set() as first, set() as last]:
                return self.graph.dependencies(first) & self.graph.dependents(last)
            case "somepath", [set() as first, set() as last]:
                return self.some_path(first, last)
            case "kind", [re.Pattern() as pattern, set() as labels]:
                return self.matching(labels, pattern, kind_of)
            case "filter", [re.Pattern() as pattern, set() as labels]:
                return self.matching(labels, pattern, lambda target: target.label)
            case "attr", [str() as key, re.Pattern() as pattern, set() as labels]:
                return {
                    label
                    for label in labels
                    if any(map(pattern.search, attribute(self.workspace.targets[label], key)))
                }
            case _:
                raise AssertionError(name, arguments)

    def matching(
        self, labels: set[str], pattern: re.Pattern[str], text: Callable[[Target], str]
    ) -> set[str]:
        return {label for label in labels if pattern.search(text(self.workspace.targets[label]))}

    def some_path(self, first: set[str], last: set[str]) -> set[str]:
        for source in sorted(first):
            reachable = self.graph.dependencies([source])
            for target in sorted(last & reachable):
                return set(self.graph.some_path(source, target))
        return set()


def _depth(rest: list[object]) -> int | None:
    return rest[0] if rest and isinstance(rest[0], int) else None


def kind_of(target: Target) -> str:
    """Return what ``kind()`` matches: ``published`` where --push pushes it, else ``internal``."""
    return "published" if target.publish and target.tags else "internal"


def attribute(target: Target, key: str) -> Iterable[str]:
    """Return a member as the texts that ``attr()`` matches: one for each item, ``KEY=VALUE``s."""
    value = getattr(target, key)
    if isinstance(value, Mapping):
        return [f"{name}={_text(item)}" for name, item in value.items()]
    if isinstance(value, tuple):
        return [_text(item) for item in value]
    return [_text(value)]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if dataclasses.is_dataclass(value):
        members = (getattr(value, field.name) for field in dataclasses.fields(value))
        return " ".join(_text(member) for member in members if member not in (None, "", ()))
    if isinstance(value, tuple):
        return " ".join(map(_text, value))
    return str(value)
