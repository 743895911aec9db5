"""Here-documents: recognising ``<<NAME`` in an instruction (Dockerfile reference)."""

import re

from mkbuild.dockerfile import words
from mkbuild.dockerfile.node import RawHeredoc
from mkbuild.errors import DockerfileError

_START = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)\Z")
_TABS = re.compile(r"^\t+", re.MULTILINE)
_PLAIN = words.Options(keep_unset=True)
_QUOTED = words.Options(keep_unset=True, raw_quotes=True)
_RAW = words.Options(keep_unset=True, raw_quotes=True, raw_escapes=True)


def of_word(word: str) -> RawHeredoc | None:
    """Read one word as the start of a heredoc; None where it is none. Raises DockerfileError.

    Where a part of its name is quoted, its content is not expanded.
    """
    match = _START.match(word)
    if not match or not match[3]:
        return None
    plain = words.expand_words(match[3], {}, options=_PLAIN)
    if len(plain) != 1:
        return None
    quoted = words.expand_words(match[3], {}, options=_QUOTED)
    if len(quoted) != 1:
        message = f"cannot read the heredoc name {match[3]}"
        raise DockerfileError(message, hint="use a plain word, as in <<EOF")
    expand = _quotes(plain[0]) == _quotes(quoted[0])
    return RawHeredoc(plain[0], "", expand=expand, chomp=match[2] == "-", fd=int(match[1] or 0))


def of_argument(word: str) -> RawHeredoc | None:
    """Read one word likewise; one that cannot be read is none."""
    if "<<" not in word:
        return None
    try:
        return of_word(word)
    except DockerfileError:
        return None  # an argument that only looks like one


def of_line(line: str) -> list[RawHeredoc]:
    """Find the heredocs that an instruction starts, in order. Raises DockerfileError."""
    try:
        found = words.expand_words(line, {}, options=_RAW)
    except DockerfileError:
        return []  # quoted in a way that only its shell understands
    return [heredoc for word in found if (heredoc := of_word(word))]


def chomp(content: str) -> str:
    """Remove leading tabs, as ``<<-`` asks."""
    return _TABS.sub("", content)


def _quotes(text: str) -> int:
    return text.count("'") + text.count('"')
