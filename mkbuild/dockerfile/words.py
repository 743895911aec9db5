"""Word expansion: variables, quotes, escapes (Dockerfile reference, "Environment replacement").

Names are looked up in a mapping; a name that is missing is unset, which is not the same as empty.
"""

import re
from collections.abc import Mapping

from mkbuild.dockerfile import golang, pattern
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

MAX_SIZE = 1 << 20
"""Characters that variables may add to one text: no program can be given so long a word."""
_SPECIAL_PARAMETERS = frozenset("@*#?-$!0")
_END = chr(0xFFFD)
"""How the end of the text is shown where a message names the character that was found."""


@frozen
class Options:
    """How a text is read.

    ``escape``: the escape character. ``quotes``: whether quotes quote. ``raw_quotes`` and
    ``raw_escapes``: whether they stay in the result. ``keep_unset``: leave references to unset
    names as they are.
    """

    escape: str = "\\"
    quotes: bool = True
    raw_quotes: bool = False
    raw_escapes: bool = False
    keep_unset: bool = False


@frozen
class Expansion:
    """A text after expansion, and the names it referred to that were set and unset."""

    text: str
    matched: frozenset[str] = frozenset()
    unmatched: frozenset[str] = frozenset()


_DEFAULT = Options()
CONTENT = Options(quotes=False)
r"""How the content of a heredoc is read: quotes are kept, escapes are always ``\\``."""

_SPECIAL = re.compile(r"[$'\"<\\`]")
_RUNS = {escape: re.compile(f"[^$'\"<}}/{re.escape(escape)}]+") for escape in ("\\", "`")}


def expand(word: str, env: Mapping[str, str], escape: str = "\\") -> str:
    """Expand one word; spaces stay. Raises DockerfileError, to be located by the caller."""
    if not _SPECIAL.search(word):
        return word.removeprefix("\ufeff")
    return _Expander(word, env, Options(escape=escape)).text()


def expand_words(
    word: str, env: Mapping[str, str], escape: str = "\\", options: Options | None = None
) -> list[str]:
    """Expand, then split at white space that is not quoted; empty words vanish."""
    return _Expander(word, env, options or Options(escape=escape)).split()


def expand_content(content: str, env: Mapping[str, str]) -> str:
    """Expand the content of a heredoc. Raises DockerfileError, to be located by the caller."""
    return _Expander(content, env, CONTENT).text()


def examine(word: str, env: Mapping[str, str], options: Options = _DEFAULT) -> Expansion:
    """Expand one word, and report the names that it referred to."""
    expander = _Expander(word, env, options)
    text = expander.text()
    return Expansion(text, frozenset(expander.matched), frozenset(expander.unmatched))


class _Failure(Exception):  # noqa: N818 -- never leaves this module
    """The reason why a text cannot be expanded."""


class _Words:
    """Collects words. Several collectors share one buffer, see :meth:`_Expander._run`."""

    def __init__(self, buffer: list[str]) -> None:
        self._buffer = buffer
        self._done: list[str] = []
        self._inside = False

    def add_quoted(self, text: str) -> None:
        if text:
            self._buffer.append(text)
        self._inside = True

    def add(self, text: str) -> None:
        for character in text:
            if character not in golang.SPACE:
                self._buffer.append(character)
                self._inside = True
            elif self._inside and self._buffer:
                self._flush()

    def _flush(self) -> None:
        self._done.append("".join(self._buffer))
        self._buffer.clear()
        self._inside = False

    def finish(self) -> list[str]:
        if self._buffer:
            self._flush()
        return self._done


class _Expander:
    def __init__(self, source: str, env: Mapping[str, str], options: Options) -> None:
        self._source = source.removeprefix("\ufeff")
        self._at = 0
        self._size = 0
        self._env = env
        self._options = options
        self._escape = options.escape
        self._raw_escapes = options.raw_escapes
        self._buffer: list[str] = []
        self._run_of = _RUNS[options.escape]
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()

    def text(self) -> str:
        return self._guarded()[0]

    def split(self) -> list[str]:
        return self._guarded()[1]

    def _guarded(self) -> tuple[str, list[str]]:
        try:
            return self._run("", raw_escapes=self._raw_escapes)
        except _Failure as error:
            message = f"failed to process {golang.quote(self._source)}: {error}"
            raise DockerfileError(message) from None
        except RecursionError:
            message = f"failed to process {golang.quote(self._source[:100])}: nested too deeply"
            raise DockerfileError(message) from None

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._source[self._at : self._at + 1]
        self._at += 1 if character else 0
        return character

    def _run(self, stop: str, *, raw_escapes: bool) -> tuple[str, list[str]]:
        """Expand up to ``stop`` (consumed), or to the end where it is empty.

        As in the reference, an operator's word shares the buffer of the word around it, so that
        splitting loses what stood before ``${x:-y}`` in the same word. Images depend on it.
        """
        before, self._raw_escapes = self._raw_escapes, raw_escapes
        try:
            self._buffer.clear()
            words, out = _Words(self._buffer), list[str]()
            while self._at < len(self._source):
                if stop and self._peek() == stop:
                    self._at += 1
                    return "".join(out), words.finish()
                self._step(out, words)
            if stop:
                message = f"unexpected end of statement while looking for matching {stop}"
                raise _Failure(message)
            return "".join(out), words.finish()
        finally:
            self._raw_escapes = before

    def _step(self, out: list[str], words: _Words) -> None:
        run = self._run_of.match(self._source, self._at)
        if run:
            self._at = run.end()
            out.append(run[0])
            words.add(run[0])
            return
        character = self._peek()
        if character == "$":
            value = self._dollar()
            self._size += len(value)
            if self._size > MAX_SIZE:
                message = f"it expands to more than {MAX_SIZE} characters"
                raise _Failure(message)
            out.append(value)
            words.add(value)
        elif character == "<" or (self._options.quotes and character in {"'", '"'}):
            value = self._quoted(character)
            out.append(value)
            words.add_quoted(value)
        elif character == self._escape:
            self._escaped(out, words)
        else:
            self._at += 1
            out.append(character)
            words.add(character)

    def _escaped(self, out: list[str], words: _Words) -> None:
        kept = self._next() if self._raw_escapes else self._next()[:0]
        text = kept + self._next()
        out.append(text)
        if text:
            words.add_quoted(text)

    def _quoted(self, character: str) -> str:
        match character:
            case "'":
                return self._single()
            case '"':
                return self._double()
            case _:
                return self._angle()

    def _angle(self) -> str:
        """Keep ``<<`` and the delimiter after it in one word, white space between them or not."""
        start = self._at
        self._at += 1
        if self._peek() == "<":
            self._at += 1
            while self._peek() in {"\t", "\r", " "}:
                self._at += 1
        return self._source[start : self._at]

    def _single(self) -> str:
        end = self._source.find("'", self._at + 1)
        if end < 0:
            self._at = len(self._source)
            message = "unexpected end of statement while looking for matching single-quote"
            raise _Failure(message)
        text = self._source[self._at + 1 : end]
        self._at = end + 1
        return f"'{text}'" if self._options.raw_quotes else text

    def _double(self) -> str:
        out = [self._next() if self._options.raw_quotes else self._next()[:0]]
        while character := self._peek():
            if character == "$":
                out.append(self._dollar())
                continue
            self._at += 1
            if character == '"':
                return "".join([*out, character if self._options.raw_quotes else ""])
            if character == self._escape:
                if self._raw_escapes:
                    out.append(character)
                if not self._peek():
                    break
                if self._peek() in {'"', "$", self._escape}:
                    character = self._next()
            out.append(character)
        message = "unexpected end of statement while looking for matching double-quote"
        raise _Failure(message)

    def _name(self) -> str:
        first, start = self._peek(), self._at
        if first.isdecimal():
            while self._peek().isdecimal():
                self._at += 1
        elif first in _SPECIAL_PARAMETERS and first:
            self._at += 1
        else:
            while (here := self._peek()) and (here.isalpha() or here.isdecimal() or here == "_"):
                self._at += 1
        return self._source[start : self._at]

    def _lookup(self, name: str) -> str | None:
        value = self._env.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value

    def _dollar(self) -> str:
        self._at += 1
        if self._peek() != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._lookup(name)
            return "$" + name if value is None and self._options.keep_unset else value or ""
        self._at += 1
        if not self._peek():
            message = "syntax error: missing '}'"
            raise _Failure(message)
        if self._peek() in {"{", "}", ":"}:
            message = "syntax error: bad substitution"
            raise _Failure(message)
        name = self._name()
        operator = self._next()
        match operator:
            case "}":
                value = self._lookup(name)
                unset = value is None and self._options.keep_unset
                return f"${{{name}}}" if unset else value or ""
            case "/":
                return self._substitution(name)
            case ":" | "+" | "-" | "?" | "#" | "%":
                return self._modified(name, operator)
            case _:
                raise _unsupported(operator)

    def _until(self, stop: str, missing: str, *, raw_escapes: bool) -> str:
        try:
            return self._run(stop, raw_escapes=raw_escapes)[0]
        except _Failure:
            if self._peek():
                raise
            message = f"syntax error: missing {missing}"
            raise _Failure(message) from None

    def _modified(self, name: str, operator: str) -> str:
        empty_is_unset = operator == ":"
        operator = self._next() if empty_is_unset else operator
        spelling = ":" + operator if empty_is_unset else operator
        trims = operator in {"#", "%"}
        if empty_is_unset and trims:
            raise _unsupported(spelling)
        word = self._until("}", "'}'", raw_escapes=trims)
        value = self._lookup(name)
        if value is None and self._options.keep_unset:
            return f"${{{name}{spelling}{word}}}"
        missing = value is None or (empty_is_unset and not value)
        match operator:
            case "-":
                return word if missing else value or ""
            case "+":
                return "" if missing else word
            case "?":
                if missing:
                    why = "unset" if value is None else "empty"
                    message = f"{name}: {word or f'is not allowed to be {why}'}"
                    raise _Failure(message)
                return value or ""
            case "#" | "%":
                return _trimmed(value or "", operator, word)
            case _:
                raise _unsupported(spelling)

    def _substitution(self, name: str) -> str:
        everywhere = self._peek() == "/"
        self._at += everywhere
        wanted = self._until("/", "'/' in ${}", raw_escapes=True)
        replacement = self._until("}", "'}'", raw_escapes=True)
        value = self._lookup(name)
        if value is None and self._options.keep_unset:
            return f"${{{name}/{wanted}/{replacement}}}"
        try:
            return pattern.replace(value or "", wanted, replacement, everywhere=everywhere)
        except pattern.PatternError as error:
            message = f"invalid pattern ({wanted}) in substitution: {error}"
            raise _Failure(message) from None


def _unsupported(spelling: str) -> _Failure:
    if spelling in {"", ":"}:
        spelling += _END
    return _Failure(f"unsupported modifier ({spelling}) in substitution")


def _trimmed(value: str, operator: str, word: str) -> str:
    longest = word.startswith(operator)
    word = word[1:] if longest else word
    trim = pattern.trim_prefix if operator == "#" else pattern.trim_suffix
    try:
        return trim(value, word, longest=longest)
    except pattern.PatternError as error:
        message = f"invalid pattern ({word}) in substitution: {error}"
        raise _Failure(message) from None
