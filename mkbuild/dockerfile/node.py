"""Raw instructions, as the lexer finds them: nothing is known of their meaning yet."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawHeredoc:
    """A here-document: ``raw`` is its content with the tabs that ``<<-`` removes."""

    name: str
    raw: str
    expand: bool
    chomp: bool
    fd: int


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
class Source:
    """A file taken apart. ``lines`` keep their ends; ``gaps`` are the last lines of instructions
    in whose continuation a blank line stands.
    """  # noqa: D205

    name: str
    nodes: tuple[Node, ...]
    lines: tuple[str, ...]
    escape: str
    syntax: str
    check: str
    gaps: tuple[int, ...]
