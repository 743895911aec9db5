"""What stands behind flags: ``K=V``, secrets, contexts, outputs; all errors are UsageErrors."""

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, cast

from mkbuild.buildfile import sources
from mkbuild.buildfile.quantities import parse_size
from mkbuild.buildfile.target import (
    ContextSource,
    DirectoryContext,
    Output,
    OutputKind,
    Secret,
    Ssh,
)
from mkbuild.errors import UsageError
from mkbuild.oci import epoch

_RIGHTS = ("security.insecure", "network.host")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_GIT = re.compile(r"(https?|git|ssh|file)://|git@[\w.-]+:", re.IGNORECASE)
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_DURATION = re.compile(f"(?:{_PART.pattern})+")


def pair(flag: str, text: str, *, separator: str = "=") -> tuple[str, str]:
    """Split ``NAME=VALUE``; the value may hold further separators."""
    name, found, value = text.partition(separator)
    if not found or not name:
        raise UsageError(f"{flag} {text}: NAME{separator}VALUE is expected")
    return name, value


def pairs(flag: str, texts: Iterable[str], *, separator: str = "=") -> dict[str, str]:
    """Split several; the last one of a name counts."""
    return dict(pair(flag, text, separator=separator) for text in texts)


def arguments(flag: str, texts: Iterable[str], env: Mapping[str, str]) -> dict[str, str]:
    """Read build arguments: ``NAME`` alone passes the environment's value, if it has one."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name:
            raise UsageError(f"{flag} {text}: NAME=VALUE or NAME is expected")
        if equals:
            found[name] = value
        elif name in env:
            found[name] = env[name]
    return found


def fields(flag: str, text: str, known: Mapping[str, str], *, bare: str = "") -> dict[str, str]:
    """Read ``key=value,…`` (CSV, so that quotes protect a comma).

    ``known`` maps every accepted key to its canonical name; a single value without a key is that
    of ``bare``, where it is given.
    """
    found: dict[str, str] = {}
    parts = next(csv.reader([text]), [])
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals and bare and len(parts) == 1:
            return {bare: part}
        if key.lower() not in known:
            allowed = ", ".join(dict.fromkeys(known.values()))
            raise UsageError(f"{flag} {text}: {part!r} is not understood", hint=f"keys: {allowed}")
        found[known[key.lower()]] = value if equals else "true"
    return found


def boolean(flag: str, text: str) -> bool:
    """Read a boolean as Docker does."""
    if text.lower() in ("1", "t", "true", "yes"):
        return True
    if text.lower() in ("0", "f", "false", "no"):
        return False
    raise UsageError(f"{flag}: {text!r} is neither true nor false")


def secret(text: str, base: Path) -> Secret:
    """Read ``id=NAME[,src=FILE|env=VARIABLE]``."""
    keys = {"id": "id", "src": "src", "source": "src", "env": "env", "type": "type"}
    found = fields("--secret", text, keys)
    kind = found.get("type", "")
    if not found.get("id"):
        raise UsageError(f"--secret {text}: there is no id", hint="--secret id=NAME,src=FILE")
    if kind not in ("", "file", "env"):
        raise UsageError(f"--secret {text}: type is file or env, not {kind!r}")
    source, variable = found.get("src"), found.get("env")
    if kind == "env" and variable is None:
        source, variable = None, found.get("src", found["id"])
    return Secret(found["id"], variable, str(base / source) if source else None)


def ssh(text: str, base: Path) -> Ssh:
    """Read ``ID[=SOCKET|KEY,…]``."""
    name, _, paths = text.partition("=")
    if not name:
        raise UsageError(f"--ssh {text}: there is no id", hint="--ssh default")
    return Ssh(name, tuple(str(base / path) for path in paths.split(",") if path))


def is_git(text: str) -> bool:
    """Whether a selection is the URL of a git repository instead of a name."""
    return bool(_GIT.match(text))


def main_context(text: str, base: Path) -> str:
    """Check the context of a lone Dockerfile: an absolute directory, or a git URL as it is."""
    try:
        source = sources.parse_main(text, str(base))
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error
    return source.path if isinstance(source, DirectoryContext) else text


def context(text: str, base: Path) -> tuple[str, ContextSource]:
    """Read ``NAME=SOURCE`` of ``--build-context``."""
    name, source = pair("--build-context", text)
    try:
        return name, sources.parse(source, str(base))
    except ValueError as error:
        raise UsageError(f"--build-context {text}: {error}") from error


def output(text: str, base: Path) -> Output:
    """Read ``type=oci|docker|tar|local,dest=PATH[,tar=false]``.

    A lone path means local, a lone ``-`` a tar on standard output, as docker has it.
    """
    keys = {"type": "type", "dest": "dest", "tar": "tar"}
    found = fields("--output", text, keys, bare="dest")
    kind = found.get("type", "tar" if found.get("dest") == "-" else "local")
    if kind not in ("oci", "docker", "tar", "local"):
        raise UsageError(
            f"--output {text}: there is no type {kind!r}", hint="types: oci, docker, tar, local"
        )
    if not found.get("dest"):
        raise UsageError(f"--output {text}: there is no dest", hint=f"type={kind},dest=PATH")
    tar = boolean("--output tar", found.get("tar", "true"))
    try:
        return sources.output(cast("OutputKind", kind), found["dest"], str(base), tar=tar)
    except ValueError as error:
        raise UsageError(f"--output {text}: {error}", hint="name a file or a directory") from error


def timestamps(text: str) -> Literal["epoch", "preserve"] | int:
    """Read ``epoch``, ``preserve`` or a number of seconds."""
    if text == "epoch":
        return "epoch"
    if text == "preserve":
        return "preserve"
    try:
        return epoch.parse(text)
    except ValueError:
        message = f"--timestamps {text}: epoch, preserve or SECONDS since 1970 is expected"
        raise UsageError(message) from None


def rights(names: Sequence[str]) -> tuple[str, ...]:
    """Check what a build is allowed; ``network.host`` is, to bake as well, but needs no leave."""
    for name in names:
        if name not in _RIGHTS:
            known = ", ".join(_RIGHTS)
            raise UsageError(f"--allow {name}: there is no such right", hint=f"rights: {known}")
    return tuple(names)


def duration(flag: str, text: str | None) -> int | None:
    """Read Go's or plain durations in seconds: ``336h``, ``14d``, ``1h30m``, ``0``."""
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    if not _DURATION.fullmatch(text):
        raise UsageError(f"{flag} {text}: a duration such as 336h, 14d or 90s is expected")
    return int(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def size(flag: str, text: str | None) -> int | None:
    """Read a size such as ``40GB`` or ``500MiB``, in bytes; raises UsageError."""
    if text is None:
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise UsageError(f"{flag} {text}: {error}") from None


def add_host(text: str) -> tuple[str, str]:
    """Read ``HOST:IP`` or ``HOST=IP``; an IPv6 address may stand in brackets."""
    separator = "=" if "=" in text else ":"
    host, address = pair("--add-host", text, separator=separator)
    return host, address.removeprefix("[").removesuffix("]")


def header(text: str) -> tuple[str, str]:
    """Read ``Name: value``."""
    name, value = pair("--http-cache-header", text, separator=":")
    return name.strip(), value.strip()
