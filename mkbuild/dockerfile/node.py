"""Raw instructions, as the lexer finds them: nothing is known of their meaning yet."""

from mkbuild.frozen import frozen
from mkbuild.location import Location


@frozen
class RawHeredoc:
    """A here-document: ``raw`` is its content with the tabs that ``<<-`` removes."""

    name: str
    raw: str
    expand: bool
    chomp: bool
    fd: int


@frozen
class Node:
    """One instruction: lines count from 1 (0 within ONBUILD), heredocs are part of them.

    ``original`` is its text with continuations joined, without heredocs; ``child`` is what ONBUILD
    defers; ``comments`` stand right above it; ``commit`` says that ``#!COMMIT`` ended it.
    """

    keyword: str
    args: tuple[str, ...]
    flags: tuple[str, ...]
    json: bool
    original: str
    start: int = 0
    end: int = 0
    heredocs: tuple[RawHeredoc, ...] = ()
    child: "Node | None" = None
    comments: tuple[str, ...] = ()
    commit: bool = False


@frozen
class Source:
    """A file taken apart. ``lines`` keep their ends; ``gaps`` are the last lines of instructions
    in whose continuation a blank line stands. ``line`` and ``column`` are where the text begins in
    the file that locations name, of which it may be a part.
    """  # noqa: D205

    name: str
    nodes: tuple[Node, ...] = ()
    lines: tuple[str, ...] = ()
    escape: str = "\\"
    syntax: str = ""
    check: str = ""
    gaps: tuple[int, ...] = ()
    line: int = 1
    column: int = 1

    def place(self, line: int, column: int = 1, end: int = 0) -> Location:
        """Return where a line and a column of the text, counted from 1, are in its file."""
        before = self.line - 1
        return Location(self.name, before + line, self.column - 1 + column, end and before + end)
