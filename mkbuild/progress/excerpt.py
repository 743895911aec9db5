"""The lines around a place in a file, with the line (and the column, where known) marked."""

import re
from pathlib import Path

from mkbuild.location import Location
from mkbuild.progress import text

_PLACE = re.compile(r"(?P<file>.*?):(?P<line>[0-9]+)(?::(?P<column>[0-9]+))?", re.DOTALL)
_AROUND = 2
_WIDTH = 66


def parse(place: str) -> Location:
    """Read ``file:line`` or ``file:line:column`` back; what is no number belongs to the name."""
    found = _PLACE.fullmatch(place)
    if not found:
        return Location(place)
    return Location(found["file"], int(found["line"]), int(found["column"] or 0))


def excerpt(place: Location, base: Path | None = None) -> list[str]:
    """Return the marked lines; empty where the place has no line or the file is not there.

    ``base``: the directory that relative names start from, the current one by default.
    """
    if not place.line:
        return []
    try:
        content = (base or Path()).joinpath(place.file).read_text("utf-8", "replace")
    except OSError:
        return []  # an error in something fetched or generated: its place has no file to show
    return marked(content, place)


def marked(content: str, place: Location) -> list[str]:
    """Mark a place in the text of its file; a column past the first gets a caret."""
    lines = content.split("\n")
    if not 1 <= place.line <= len(lines):
        return []
    last = max(place.line, min(place.end_line, place.line + 10))
    first = max(place.line - _AROUND, 1)
    shown = []
    for number in range(first, min(last + _AROUND, len(lines)) + 1):
        inside = place.line <= number <= last
        body = text.fit(text.clean(lines[number - 1]), _WIDTH)
        shown.append(f"{'>' if inside else ' '} {number:4} | {body}".rstrip())
        if number == place.line and 1 < place.column <= _WIDTH:
            before = lines[number - 1][: place.column - 1].expandtabs(4)
            shown.append(f"       | {' ' * len(before)}^")
    while shown and shown[-1].endswith("|") and not shown[-1].startswith(">"):
        shown.pop()
    return shown
