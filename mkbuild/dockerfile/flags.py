"""Builder flags of instructions: ``--name=value`` (BuildKit's bflag rules)."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from mkbuild.dockerfile import suggest
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

Kind = Literal["bool", "text", "list"]


@frozen
class Flags:
    """The flags that an instruction was given, by name."""

    booleans: Mapping[str, bool] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """Return a flag's value; None where it is absent or empty."""
        return self.texts.get(name) or None

    def items(self, name: str) -> tuple[str, ...]:
        """Return the values of a flag that may come more than once."""
        return self.lists.get(name, ())

    def switch(self, name: str) -> bool:
        """Return whether a boolean flag is on."""
        return self.booleans.get(name, False)


class FlagError(DockerfileError):
    """A flag that cannot be used; ``flag`` is its text, to find its place."""

    def __init__(self, message: str, flag: str, *, hint: str | None = None) -> None:
        """Keep the flag."""
        super().__init__(message, hint=hint)
        self.flag = flag


def parse(given: Sequence[str], allowed: Mapping[str, Kind]) -> Flags:
    """Read flags, e.g. ``["--link", "--chown=1"]``. Raises FlagError."""
    booleans: dict[str, bool] = {}
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for flag in given:
        if flag == "--":
            break
        spelled, equals, value = flag.partition("=")
        name = spelled[2:]
        kind = allowed.get(name)
        if kind is None:
            hint = suggest.hint(name, allowed, "--") or _known(allowed)
            message = f"unknown flag: {spelled}"
            raise FlagError(message, flag, hint=hint)
        if name in booleans or name in texts:
            message = f"duplicate flag specified: {spelled}"
            raise FlagError(message, flag, hint="give it once")
        if (kind != "bool" and not equals) or (kind == "bool" and equals and not value):
            message = f"missing a value on flag: {spelled}"
            raise FlagError(message, flag, hint=f"write {spelled}=…")
        match kind:
            case "bool":
                booleans[name] = _boolean(flag, spelled, value)
            case "text":
                texts[name] = value
            case "list":
                lists[name] = (*lists.get(name, ()), value)
    return Flags(booleans, texts, lists)


def _boolean(flag: str, spelled: str, value: str) -> bool:
    match value.lower():
        case "true" | "":
            return True
        case "false":
            return False
        case _:
            message = f"expecting boolean value for flag {spelled}, not: {value}"
            raise FlagError(message, flag, hint="write true or false")


def _known(allowed: Mapping[str, Kind]) -> str:
    if not allowed:
        return "this instruction has no flags"
    return "known flags: " + ", ".join(f"--{name}" for name in allowed)
