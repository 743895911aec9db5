"""What stands after an instruction's keyword: builder flags and arguments, not yet understood.

Each instruction splits its arguments its own way; quotes and escapes stay, since it is only
known later how a word is expanded.
"""

import re
from collections.abc import Callable

from mkbuild.dockerfile import golang
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

_BLANKS = re.compile(r"[\t\v\f\r ]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ONLY_STRINGS = "when using JSON array syntax, arrays must be comprised of strings only"


@frozen
class Arguments:
    """Flags and arguments; ``json`` tells exec form, ``rest`` is ONBUILD's instruction."""

    args: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    json: bool = False
    rest: str = ""


def read(keyword: str, text: str, escape: str) -> Arguments:
    """Split what follows a keyword. Raises DockerfileError, to be located by the caller."""
    name = keyword.lower()
    rest, flags = split_flags(text, escape)
    rest = rest.strip(golang.SPACE)
    if name == "onbuild":
        return Arguments((), flags, rest=rest)
    if name in {"env", "label"}:
        return Arguments(_pairs(rest, name.upper(), escape), flags)
    if name == "arg":
        return Arguments(tuple(split_words(rest, escape)), flags)
    splitter = _SPLITTERS.get(name)
    if splitter is None:
        return Arguments(("",), flags)
    args, json = splitter(rest)
    return Arguments(args, flags, json)


def split_flags(text: str, escape: str) -> tuple[str, tuple[str, ...]]:
    """Take ``--flags`` off the front: what remains, and the flags, unquoted.

    BuildKit reads them byte by byte and garbles what is not ASCII; here it stays.
    """
    flags: list[str] = []
    position = 0
    while True:
        while position < len(text) and text[position] in golang.SPACE:
            position += 1
        if position == len(text):
            return "", tuple(flags)
        if not text.startswith("--", position):
            return text[position:], tuple(flags)
        word, quoted, position = _flag(text, position, escape)
        if word == "--":
            return text[position:], tuple(flags)
        if word or quoted:
            flags.append(word)


def _flag(text: str, position: int, escape: str) -> tuple[str, bool, int]:
    """Read one flag: its text without quotes, whether it had quotes, where it ends."""
    out: list[str] = []
    quote, quoted = "", False
    while position < len(text):
        character = text[position]
        if not quote and character in golang.SPACE:
            break
        position += 1
        if character == quote:
            quote = ""
        elif not quote and character in {"'", '"'}:
            quote, quoted = character, True
        elif character == escape:
            out.append(text[position : position + 1])
            position += 1
        else:
            out.append(character)
    return "".join(out), quoted, min(position, len(text))


def split_words(text: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay in the words."""
    words: list[str] = []
    for match in _WORDS[escape].finditer(text):
        word = match[0]
        if word.endswith(escape) and match.end() == len(text) and _is_open(word, escape):
            word = word[:-1]  # an escape character that escapes nothing
        if word:
            words.append(word)
    return words


def _is_open(word: str, escape: str) -> bool:
    """Whether a word's last escape character is neither escaped nor in single quotes."""
    position, quote = 0, ""
    while position < len(word):
        character = word[position]
        if character == escape and quote != "'":
            if position + 1 == len(word):
                return True
            position += 1
        elif character == quote:
            quote = ""
        elif not quote and character in {"'", '"'}:
            quote = character
        position += 1
    return False


def _word_pattern(escape: str) -> re.Pattern[str]:
    token = re.escape(escape)
    plain = f"[^'\"{token}{golang.SPACE}]"
    return re.compile(
        rf"(?:{plain}+|'[^']*(?:'|\Z)|\"(?:[^\"{token}]|{token}.|{token}\Z)*(?:\"|\Z)"
        rf"|{token}.|{token}\Z)+",
        re.DOTALL,
    )


_WORDS = {escape: _word_pattern(escape) for escape in ("\\", "`")}


def _pairs(text: str, keyword: str, escape: str) -> tuple[str, ...]:
    """Split ENV or LABEL into triples: name, value, ``=`` or nothing for ``NAME value``."""
    words = split_words(text, escape)
    if not words:
        return ()
    if "=" not in words[0]:
        parts = _BLANKS.split(text, maxsplit=1)
        if len(parts) == 1:
            message = f"{keyword} must have two arguments"
            raise DockerfileError(message, hint=f"write {keyword} {parts[0]}=value")
        return (parts[0], parts[1], "")
    out: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            shown = golang.quote(word)
            message = f"Syntax error - can't find = in {shown}. Must be of the form: name=value"
            raise DockerfileError(message, hint="quote a value that holds spaces")
        out += [name, value, "="]
    return tuple(out)


def _json(text: str) -> tuple[str, ...] | None:
    """Read the exec form; None where it is not one. Raises DockerfileError for other members."""
    if not text.startswith("["):
        return None
    try:
        array = golang.json_array(text)
    except RecursionError:
        raise DockerfileError(_ONLY_STRINGS) from None
    if array is None:
        return None
    strings = tuple(_SURROGATE.sub("\ufffd", text) for text in array if isinstance(text, str))
    if len(strings) != len(array):
        raise DockerfileError(_ONLY_STRINGS, hint="quote each member of the array")
    return strings


def _command(text: str) -> tuple[tuple[str, ...], bool]:
    array = _json(text)
    if array is not None:
        return array, True
    return ((text,) if text else ()), False


def _list(text: str) -> tuple[tuple[str, ...], bool]:
    array = _json(text)
    return (_blank_separated(text)[0], False) if array is None else (array, True)


def _blank_separated(text: str) -> tuple[tuple[str, ...], bool]:
    return (tuple(_BLANKS.split(text)) if text else ()), False


def _string(text: str) -> tuple[tuple[str, ...], bool]:
    return ((text,) if text else ()), False


def _health(text: str) -> tuple[tuple[str, ...], bool]:
    if not text:
        return (), False
    kind = text
    for position, character in enumerate(text):
        if character in golang.SPACE:
            kind = text[:position]
            break
    args, json = _command(text[len(kind) :].lstrip(golang.SPACE))
    return (kind, *args), json


_SPLITTERS: dict[str, Callable[[str], tuple[tuple[str, ...], bool]]] = {
    "add": _list,
    "cmd": _command,
    "copy": _list,
    "entrypoint": _command,
    "expose": _blank_separated,
    "from": _blank_separated,
    "healthcheck": _health,
    "maintainer": _string,
    "run": _command,
    "shell": _command,
    "stopsignal": _string,
    "user": _string,
    "volume": _list,
    "workdir": _string,
}
KEYWORDS = frozenset({*_SPLITTERS, "arg", "env", "label", "onbuild"})
"""Every instruction, in lower case."""
