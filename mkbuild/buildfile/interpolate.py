"""Variables in text: ``${NAME}``, ``${NAME:-default}``, ``$$`` for a dollar.

A dollar before anything else stands for itself. ``${inputs.…}`` is known only once a target's
inputs are: it stays in place until :func:`resolve_inputs`.
"""

import re
from collections.abc import Callable

DEFERRED = ("inputs.digest", "inputs.commit")
"""Names that keep their place: filled by :func:`resolve_inputs`."""

MAX_NESTING = 16
MAX_LENGTH = 1 << 20
"""Characters that a text may expand to: variables made of variables grow exponentially."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_-]*)?\Z")
_INPUTS = re.compile(r"\$\{inputs\.(digest|commit)\}")

Lookup = Callable[[str, bool], str | None]
"""Gives a name's value; the flag says that there is a default, so that None is no error."""


class TemplateError(ValueError):
    """Text that cannot be expanded: ``offset`` counts characters from its start."""

    def __init__(self, message: str, offset: int = 0, hint: str | None = None) -> None:
        """Keep what is wrong, where, and what to do."""
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.hint = hint


def expand(text: str, lookup: Lookup) -> str:
    """Replace every variable; raises TemplateError."""
    if "$" not in text:
        return text
    return _expand(text, lookup, 0, 0)


def _expand(text: str, lookup: Lookup, base: int, depth: int) -> str:
    if depth > MAX_NESTING:
        raise TemplateError(f"defaults nested more than {MAX_NESTING} deep", base)
    parts: list[str] = []
    at = length = 0
    while (dollar := text.find("$", at)) >= 0:
        parts.append(text[at:dollar])
        following = text[dollar + 1 : dollar + 2]
        if following == "{":
            end = _closing(text, dollar, base)
            parts.append(_value(text[dollar + 2 : end], lookup, base + dollar + 2, depth))
            length += len(parts[-1])
            if length > MAX_LENGTH:
                raise TemplateError(f"expands to more than {MAX_LENGTH} characters", base + dollar)
            at = end + 1
        elif following == "$":
            if _INPUTS.match(text, dollar + 1):
                raise TemplateError("an escaped ${inputs.…} could not be told from a real one", at)
            parts.append("$")
            at = dollar + 2
        else:
            parts.append("$")
            at = dollar + 1
    parts.append(text[at:])
    return "".join(parts)


def _closing(text: str, dollar: int, base: int) -> int:
    level, at = 1, dollar + 2
    while at < len(text):
        if text.startswith("$$", at):
            at += 2
            continue
        if text.startswith("${", at):
            level += 1
            at += 1
        elif text[at] == "}":
            level -= 1
            if not level:
                return at
        at += 1
    raise TemplateError("'${' without its '}'", base + dollar, "write '$$' for a plain dollar")


def _value(inner: str, lookup: Lookup, base: int, depth: int) -> str:
    name, operator, default = inner.partition(":-")
    if not _NAME.match(name):
        raise TemplateError(
            f"'${{{inner}}}' is not a variable",
            base,
            "allowed are ${NAME}, ${NAME:-default}, ${env.NAME}, ${git.…}, ${matrix.…}, "
            "${inputs.…}; write '$$' for a plain dollar",
        )
    if name in DEFERRED:
        if operator:
            raise TemplateError(f"${{{name}}} always has a value: it takes no default", base)
        return f"${{{name}}}"
    try:
        value = lookup(name, bool(operator))
    except TemplateError as error:
        error.offset = base
        raise
    if operator and not value:
        return _expand(default, lookup, base + len(name) + 2, depth + 1)
    if value is None:
        raise TemplateError(f"${{{name}}} has no value", base)
    return value


def needs_inputs(text: str) -> frozenset[str]:
    """Return which of ``digest`` and ``commit`` an expanded text still waits for."""
    return frozenset(_INPUTS.findall(text))


def resolve_inputs(text: str, digest: str, commit: str) -> str:
    """Fill ``${inputs.digest}`` and ``${inputs.commit}`` in an expanded text.

    The digest goes in as given: for a tag that is its hex digits, since a tag has no colon.
    """
    values = {"digest": digest, "commit": commit}
    return _INPUTS.sub(lambda match: values[match[1]], text)
