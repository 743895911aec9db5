"""Parser directives: ``# syntax=``, ``# escape=``, ``# check=`` (Dockerfile reference)."""

import json
import re
from dataclasses import dataclass, field

from mkbuild.dockerfile import golang
from mkbuild.errors import DockerfileError

NAMES = frozenset({"syntax", "escape", "check"})

_DIRECTIVE = re.compile(r"([A-Za-z][A-Za-z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(.+?)[\t\n\f\r ]*\Z")


@dataclass(slots=True)
class Directives:
    """Reads directives line by line, until the first line that is none."""

    marker: str = "#"
    done: bool = False
    _seen: set[str] = field(default_factory=set)

    def read(self, line: str) -> tuple[str, str] | None:
        """Return the name and value that a line gives; None where it is no directive.

        Raises DockerfileError where a directive comes twice.
        """
        if self.done:
            return None
        match = None
        if line.startswith(self.marker):
            match = _DIRECTIVE.match(line[len(self.marker) :].lstrip(golang.SPACE))
        name = match[1].lower() if match else ""
        if match is None or name not in NAMES:
            self.done = True
            return None
        if name in self._seen:
            message = f"only one {name} parser directive can be used"
            raise DockerfileError(message, hint="keep one of them")
        self._seen.add(name)
        return name, match[2]


def check_escape(value: str) -> str:
    """Check the value of ``# escape=``. Raises DockerfileError."""
    if value not in {"`", "\\"}:
        message = f"invalid escape token '{value}' does not match ` or \\"
        raise DockerfileError(message, hint="write # escape=` or leave the directive out")
    return value


def find_syntax(text: str) -> str:
    """Find the frontend that a file asks for; ``""`` where it asks for none.

    It may ask by a directive, by one that begins with ``//``, or as a JSON object.
    """
    body = _without_shebang(text)
    found = _find(body, "syntax", "#") or _find(body, "syntax", "//")
    if found or not body.lstrip().startswith("{"):
        return found
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ""  # no JSON, so no JSON directive
    syntax = value.get("syntax") if isinstance(value, dict) else None
    return syntax if isinstance(syntax, str) else ""


def find_check(text: str) -> str:
    """Find the configuration of build checks, e.g. ``skip=all;error=true``; else ``""``."""
    return _find(_without_shebang(text), "check", "#")


def _without_shebang(text: str) -> str:
    text = text.removeprefix("\ufeff")
    return text.partition("\n")[2] if text.startswith("#!") else text


def _find(text: str, name: str, marker: str) -> str:
    directives = Directives(marker)
    start = 0
    while not directives.done and start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        try:
            found = directives.read(text[start:end].removesuffix("\r"))
        except DockerfileError:
            return ""  # the lexer tells, where it concerns a Dockerfile
        if found and found[0] == name:
            return found[1].split(" ", 1)[0]
        start = end + 1
    return ""
