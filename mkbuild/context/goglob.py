"""Which patterns Go's filepath.Match calls malformed when it compares them with ``.``.

That is how the reference checks a pattern. It looks no further than it needs to: behind a part
that does not match, anything may stand, and is judged only where it becomes a regular expression.
"""


class PatternError(ValueError):
    """A pattern that means nothing; its text says why."""


SYNTAX = "syntax error in pattern"


def check(pattern: str) -> None:
    """Raise PatternError where the comparison finds the pattern malformed."""
    name: str | None = "."
    while pattern and name is not None:
        starred, chunk, pattern = _chunk(pattern)
        if starred and not chunk:
            return
        name = _rest(starred, chunk, pattern, name)


def _chunk(pattern: str) -> tuple[bool, str, str]:
    """Split off what stands up to the next ``*``: whether stars precede it, it, what remains."""
    body = pattern.lstrip("*")
    starred = body != pattern
    inside, position = False, 0
    while position < len(body):
        match body[position]:
            case "\\":
                position += 1
            case "[":
                inside = True
            case "]":
                inside = False
            case "*" if not inside:
                break
            case _:
                pass
        position += 1
    return starred, body[:position], body[position:]


def _rest(starred: bool, chunk: str, following: str, name: str) -> str | None:  # noqa: FBT001
    """Match a chunk: what remains of the name, or None where it does not match."""
    for start in range(len(name) + 1 if starred else 1):
        rest = _matched(chunk, name[start:])
        if rest is not None and (not rest or following):
            return rest
    return None


def _matched(chunk: str, name: str) -> str | None:
    """Match a chunk with the beginning of a name, and check all of it in any case."""
    failed, position = False, 0
    while position < len(chunk):
        failed = failed or not name
        character = chunk[position]
        position += 1
        if character == "[":
            found, position = _class(chunk, position, name[:1])
            failed = failed or not found
        elif character == "?":
            failed = failed or name[0] == "/"
        else:
            if character == "\\":
                if position == len(chunk):
                    raise PatternError(SYNTAX)
                character = chunk[position]
                position += 1
            failed = failed or character != name[0]
        name = name[1:]
    return None if failed else name


def _class(chunk: str, position: int, character: str) -> tuple[bool, int]:
    negated = chunk.startswith("^", position)
    position += negated
    found, first = False, True
    while first or not chunk.startswith("]", position):
        first = False
        low, position = _member(chunk, position)
        high = low
        if chunk.startswith("-", position):
            high, position = _member(chunk, position + 1)
        found = found or low <= character <= high
    return found != negated, position + 1


def _member(chunk: str, position: int) -> tuple[str, int]:
    if chunk[position : position + 1] in {"", "-", "]"}:
        raise PatternError(SYNTAX)
    position += chunk[position] == "\\"
    if position + 1 >= len(chunk):
        raise PatternError(SYNTAX)
    return chunk[position], position + 1
