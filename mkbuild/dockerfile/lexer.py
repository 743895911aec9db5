"""From a Dockerfile's text to raw instructions: lines, continuations, comments, heredocs.

BuildKit's parser is the reference, including how its line-based view treats comments and blank
lines within a continuation.
"""

import re
from dataclasses import dataclass, replace

from mkbuild.dockerfile import arguments, golang, heredoc
from mkbuild.dockerfile.directives import Directives, check_escape, find_check, find_syntax
from mkbuild.dockerfile.node import Node, RawHeredoc, Source
from mkbuild.errors import DockerfileError
from mkbuild.location import Location

MAX_LINE = 65535
"""The longest line, in bytes of UTF-8, that the reference reads."""

_COMMIT = re.compile(r"[ \t]+#![ \t]*commit[ \t]*\Z", re.IGNORECASE)
_HEREDOC_KEYWORDS = frozenset({"run", "copy", "add"})
_BLANKS = re.compile(r"[\t\v\f\r ]+")


def read(data: bytes | str, name: str, line: int = 1, column: int = 1) -> Source:
    """Take a file apart, or what begins at a line and column of one.

    Raises DockerfileError, located.
    """
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return _Lexer(text, Source(name, line=line, column=column)).source()


@dataclass(slots=True)
class _Joined:
    """A logical line: continuations joined, ``end`` its last physical line."""

    text: str
    start: int
    end: int
    has_gap: bool


class _Lexer:
    def __init__(self, text: str, empty: Source) -> None:
        self._text = text
        self._empty = empty
        self._lines = text.split("\n")
        last = self._lines.pop()
        self._lines = [line + "\n" for line in self._lines] + ([last] if last else [])
        self._at = 0
        self._escape = "\\"
        self._directives = Directives()
        self._comments: list[str] = []

    def source(self) -> Source:
        nodes, gaps = [], []
        too_long = self._first_too_long()
        if too_long:
            del self._lines[too_long - 1 :]
        while (joined := self._logical_line()) is not None:
            if joined.has_gap:
                gaps.append(joined.end)
            nodes.append(self._node(joined))
            self._comments = []
        if not nodes:
            message = "file with no instructions"
            hint = "a Dockerfile begins with FROM"
            raise DockerfileError(message, location=self._place(self._at, self._at), hint=hint)
        if too_long:
            message = f"dockerfile line greater than max allowed size of {MAX_LINE}"
            raise DockerfileError(message, location=self._place(too_long, too_long))
        return replace(
            self._empty,
            nodes=tuple(nodes),
            lines=tuple(self._lines),
            escape=self._escape,
            syntax=find_syntax(self._text),
            check=find_check(self._text),
            gaps=tuple(gaps),
        )

    def _place(self, start: int, end: int) -> Location:
        return self._empty.place(start, 1, end) if start else Location(self._empty.name)

    def _first_too_long(self) -> int:
        if len(self._text) * 4 <= MAX_LINE:
            return 0
        for number, line in enumerate(self._lines, 1):
            if len(line) * 4 > MAX_LINE and _size(line) > MAX_LINE:
                return number
        return 0

    def _logical_line(self) -> _Joined | None:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if self._at == 0:
                line = line.removeprefix("\ufeff")
            self._at += 1
            start = self._at
            text, more = self._first(line)
            if not more and not text:
                continue
            parts, has_gap = [text], False
            while more and self._at < len(self._lines):
                line = self._lines[self._at].rstrip("\r\n")
                self._at += 1
                bare = line.lstrip(golang.SPACE)
                if bare.startswith("#"):
                    continue
                if not bare:
                    has_gap = True
                    continue
                text, more = self._continued(line)
                parts.append(text)
            return _Joined("".join(parts), start, self._at, has_gap)
        return None

    def _first(self, line: str) -> tuple[str, bool]:
        """Read the line on which an instruction, a comment or a directive may stand."""
        text = line.rstrip("\r\n").lstrip(golang.SPACE)
        is_directive = self._read_directive(text)
        if not text.startswith("#"):
            return self._continued(text)
        if not is_directive:
            comment = line[1:].strip(golang.SPACE)
            self._comments = [*self._comments, comment] if comment else []
        return "", False

    def _read_directive(self, text: str) -> bool:
        try:
            directive = self._directives.read(text)
            if directive and directive[0] == "escape":
                self._escape = check_escape(directive[1])
        except DockerfileError as error:
            raise error.at(self._place(self._at, self._at)) from None
        return directive is not None

    def _continued(self, text: str) -> tuple[str, bool]:
        """Cut off the continuation character; says whether there was one."""
        if self._escape not in text:
            return text, False
        bare = text.rstrip(" \t")
        if not bare.endswith(self._escape) or bare.endswith(self._escape * 2):
            return text, False
        return bare[:-1], True

    def _node(self, joined: _Joined) -> Node:
        try:
            node = self._parsed(joined.text)
            found = self._heredocs(node) if "<<" in joined.text else ()
        except DockerfileError as error:
            raise error.at(self._place(joined.start, joined.end)) from None
        return replace(
            node,
            start=joined.start,
            end=self._at,
            heredocs=found,
            comments=tuple(self._comments),
        )

    def _parsed(self, text: str, *, inner: bool = False) -> Node:
        commit = False
        keyword, rest = _split(text)
        if "#!" in text and keyword.lower() != "onbuild" and not inner:
            bare = _COMMIT.sub("", text)
            commit = bare != text
            if commit:
                text = bare
                keyword, rest = _split(text)
        found = arguments.read(keyword, rest, self._escape)
        child = None
        if found.rest and not inner:  # a chain of ONBUILDs is refused, however long
            child = self._parsed(found.rest, inner=True)
        return Node(
            keyword=keyword,
            args=found.args,
            flags=found.flags,
            json=found.json,
            original=text,
            child=child,
            commit=commit,
        )

    def _heredocs(self, node: Node) -> tuple[RawHeredoc, ...]:
        inner = node.child if node.keyword.lower() == "onbuild" and node.child else node
        if inner.json or inner.keyword.lower() not in _HEREDOC_KEYWORDS:
            return ()
        return tuple(self._content(start) for start in heredoc.of_line(node.original))

    def _content(self, start: RawHeredoc) -> RawHeredoc:
        first = self._at
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            end = line.rstrip("\r\n")
            if (end.lstrip("\t") if start.chomp else end) == start.name:
                return replace(start, raw="".join(self._lines[first : self._at - 1]))
        message = "unterminated heredoc"
        hint = f"end it with a line that holds {start.name} and nothing else"
        raise DockerfileError(message, hint=hint)


def _split(text: str) -> tuple[str, str]:
    """Split an instruction into its keyword and the rest."""
    parts = _BLANKS.split(text.strip(golang.SPACE), maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _size(line: str) -> int:
    return len(line.rstrip("\n").encode("utf-8", "surrogatepass"))
