"""How a build file looks: ``mkbuild fmt``. Lines are moved and trimmed, and never written anew.

Comments stay where they are. Members of the document stand in the order in which people read
them, everything else stays in its own; no value changes, which is checked before anything counts.
"""

import yaml

from mkbuild.errors import BuildFileError
from mkbuild.location import Location

ORDER = (
    *("version", "include", "variables", "cache", "defaults", "images"),
    *("registries", "groups", "profiles"),
)
"""The members of a document, as ``fmt`` puts them."""


def formatted(text: str, file: str) -> str:
    """Return a build file's text as it should look; raises BuildFileError where it is no YAML."""
    before = _load(text, file)
    for candidate in (_ordered(_trimmed(text)), _trimmed(text)):
        if _same(before, candidate):
            return candidate
    return text


def _load(text: str, file: str) -> object:
    try:
        return yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise BuildFileError(f"this is no YAML: {error}", location=Location(file)) from error


def _same(before: object, text: str) -> bool:
    """Whether a text says the same, in the same order below the document's own members."""
    try:
        after = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return False
    if not (isinstance(before, dict) and isinstance(after, dict)):
        return before == after and repr(before) == repr(after)
    return before.keys() == after.keys() and all(
        repr(before[key]) == repr(after[key]) for key in before
    )


def _trimmed(text: str) -> str:
    """Without blanks at ends of lines, more than one empty line in a row, or any at the ends."""
    lines: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        stripped = line.rstrip()
        if stripped or (lines and lines[-1]):
            lines.append(stripped)
    return "\n".join(lines).rstrip("\n") + "\n"


def _ordered(text: str) -> str:
    """Put the document's members into their order, each with the comments right above it."""
    head: list[str] = []
    blocks: dict[str, list[str]] = {}
    waiting: list[str] = []
    current: list[str] = head
    for line in text.splitlines():
        name = line.partition(":")[0]
        if line.startswith("#"):
            waiting.append(line)
        elif not line:
            current += [*waiting, line]
            waiting = []
        elif not line[0].isspace() and name in ORDER and name not in blocks:
            current = blocks[name] = [*waiting, line]
            waiting = []
        elif not line[0].isspace() and line[0] not in "-]}":
            return text  # something that is no plain mapping
        else:
            current += [*waiting, line]
            waiting = []
    current += waiting
    parts = [blocks[name] for name in ORDER if name in blocks]
    lines: list[str] = []
    for part in (head, *parts):
        lines += _without_end(part)
        if part[-1:] == [""]:
            lines.append("")
    return "\n".join(_without_end(lines)) + "\n"


def _without_end(lines: list[str]) -> list[str]:
    end = len(lines)
    while end and not lines[end - 1]:
        end -= 1
    return lines[:end]
