"""Settings of registries: from BUILD.yaml, the user's configuration, Makisu's --registry-config.

Everything here takes plain mappings and gives values; nothing reads a file.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from mkbuild.errors import UserError
from mkbuild.frozen import frozen
from mkbuild.oci.reference import DOCKER_HUB

LAYOUT_MIRROR = "oci-layout:"


@frozen
class RegistrySettings:
    """How to talk to one registry.

    ``mirrors``: asked first, in order: ``host[:port][/prefix]`` or ``oci-layout:<directory>``.
    ``insecure``: HTTPS without verification, or plain HTTP (loopback is plain HTTP anyway).
    ``ca``, ``cert``, ``key``: PEM files; the CA counts beside the usual ones.
    ``token_hosts``: hosts besides the registry's own domain that may see its credentials.
    ``concurrency``: connections at once. ``timeout``: seconds without a byte, or with less than
    1 kB each. ``retries`` after the first attempt, ``retry_interval`` seconds after the first
    failure, times ``retry_backoff`` after each, up to ``retry_backoff_max``.
    ``push_rate``: bytes a second a connection, 0 is no limit. ``push_chunk``: bytes a PATCH,
    0 uploads each blob in one request unless the registry asks for chunks.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool = False
    ca: str = ""
    cert: str = ""
    key: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    credential_helper: str = ""
    token_hosts: tuple[str, ...] = ()
    concurrency: int = 6
    timeout: float = 60.0
    retries: int = 4
    retry_interval: float = 0.5
    retry_backoff: float = 2.0
    retry_backoff_max: float = 30.0
    push_rate: float = 0.0
    push_chunk: int = 0


@frozen
class _Rule:
    """Settings given for a registry, and the repositories that match a pattern."""

    registry: str
    pattern: str
    given: Mapping[str, Any]


@frozen
class Registries:
    """Settings of every registry; later rules override earlier ones, setting by setting."""

    rules: tuple[_Rule, ...] = ()

    def settings(self, registry: str, repository: str = "") -> RegistrySettings:
        """Return what holds for a repository of a registry."""
        given: dict[str, Any] = {}
        for rule in self.rules:
            if rule.registry == canonical_registry(registry) and re.search(
                rule.pattern, repository
            ):
                given |= rule.given
        return RegistrySettings(**given)

    def over(self, weaker: Self) -> Self:
        """Return these settings on top of weaker ones."""
        return type(self)((*weaker.rules, *self.rules))


def canonical_registry(name: str) -> str:
    """Bring the names of one registry to one: Docker Hub has several."""
    host = re.sub(r"\Ahttps?://", "", name).partition("/")[0]
    hub = {"index.docker.io", "registry-1.docker.io", "registry.docker.io"}
    return DOCKER_HUB if host in hub else host


def is_loopback(registry: str) -> bool:
    """Whether a registry (``host[:port]``) is on this machine, by its name."""
    host = host_of(registry)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(registry: str) -> str:
    """Host without port and brackets, in lower case."""
    if registry.startswith("["):
        return registry[1:].partition("]")[0].lower()
    return registry.partition(":")[0].lower()


def parse(document: Mapping[str, Any], base: Path) -> Registries:
    """Read a ``registries:`` mapping; relative paths are relative to ``base``.

    Raises UserError that names the setting.
    """
    rules = []
    for registry, given in document.items():
        if not isinstance(given, Mapping):
            raise UserError(f"registries: {registry}: expected settings, got {given!r}")
        values = {
            str(name): _value(f"registries: {registry}: {name}", str(name), value, base)
            for name, value in given.items()
        }
        rules.append(_Rule(canonical_registry(str(registry)), "", values))
    return Registries(tuple(rules))


_KINDS: dict[str, type] = {
    item.name: type(getattr(RegistrySettings(), item.name)) for item in fields(RegistrySettings)
}
_PATHS = frozenset({"ca", "cert", "key", "password_file"})


def _value(where: str, name: str, value: object, base: Path) -> object:
    kind = _KINDS.get(name)
    if kind is None:
        from difflib import get_close_matches

        near = get_close_matches(name, _KINDS, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(_KINDS))}"
        raise UserError(f"{where}: unknown setting", hint=hint)
    if kind is tuple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UserError(f"{where}: expected a list of texts")
        return tuple(_mirror(item, base) if name == "mirrors" else item for item in value)
    number = kind is float and isinstance(value, int) and not isinstance(value, bool)
    if not number and type(value) is not kind:
        raise UserError(f"{where}: expected {kind.__name__}, got {value!r}")
    return _path(str(value), base) if name in _PATHS else value


def _path(text: str, base: Path) -> str:
    return str(base / text) if text else ""


def _mirror(text: str, base: Path) -> str:
    if text.startswith(LAYOUT_MIRROR):
        directory = text.removeprefix(LAYOUT_MIRROR).removeprefix("//")
        return LAYOUT_MIRROR + str(base / directory)
    return re.sub(r"\Ahttps?://", "", text).rstrip("/")


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def parse_makisu(
    document: Mapping[str, Any], base: Path, environment: Mapping[str, str]
) -> Registries:
    """Read Makisu's ``--registry-config``: registry → pattern of repositories → settings.

    A pattern is a regular expression that matches anywhere in the repository's name.

    ``$NAME`` and ``${NAME}`` in texts become the environment's values where they are set. Raises
    UserError.
    """
    rules = []
    for registry, repositories in document.items():
        if not isinstance(repositories, Mapping):
            raise UserError(f"registry config: {registry}: expected repositories")
        for pattern, settings in repositories.items():
            where = f"registry config: {registry}: {pattern}"
            try:
                re.compile(str(pattern))
            except re.error as error:
                raise UserError(f"{where}: no regular expression: {error}") from error
            values = _makisu_settings(where, _expand(settings, environment) or {}, base)
            rules.append(_Rule(canonical_registry(str(registry)), str(pattern), values))
    return Registries(tuple(rules))


def _expand(value: Any, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - any YAML
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: environment.get(m[1] or m[2], m[0]), value)
    if isinstance(value, Mapping):
        return {key: _expand(item, environment) for key, item in value.items()}
    return value


def _makisu_settings(where: str, given: Mapping[str, Any], base: Path) -> dict[str, Any]:
    number: Callable[[Any], float] = float
    converters: dict[str, Callable[[Any], Any]] = {
        "concurrency": int,
        "timeout": _seconds,
        "retries": int,
        "retry_interval": _seconds,
        "retry_backoff": number,
        "retry_backoff_max": _seconds,
        "push_rate": number,
        "push_chunk": lambda value: max(int(value), 0),
    }
    values: dict[str, Any] = {}
    try:
        for name, value in given.items():
            if name == "security":
                values |= _makisu_security(value or {}, base)
            elif name in converters:
                values[name] = converters[name](value)
            else:
                raise UserError(f"{where}: unknown setting {name!r}")
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(f"{where}: malformed: {error}") from error
    return values


def _seconds(value: object) -> float:
    """Read a Go duration: text with units, or a number of nanoseconds."""
    if isinstance(value, int | float):
        return value * 1e-9
    text = str(value)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        message = f"{text!r} is no duration such as 600s or 500ms"
        raise ValueError(message)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _makisu_security(security: Mapping[str, Any], base: Path) -> dict[str, Any]:
    tls = security.get("tls") or {}
    client, authority = tls.get("client") or {}, tls.get("ca") or {}
    if isinstance(client, Mapping) and client.get("passphrase"):
        raise UserError(
            "registry config: a client key with a passphrase cannot be used",
            hint="store the key without one: openssl pkey -in key.pem -out plain.pem",
        )
    basic = security.get("basic") or {}
    values = {
        "ca": _makisu_file(authority, "cert", base),
        "cert": _makisu_file(client, "cert", base),
        "key": _makisu_file(client, "key", base),
        "username": basic.get("username") or "",
        "password": basic.get("password") or "",
        "password_file": _path(basic.get("password_file") or "", base),
        "credential_helper": security.get("credsStore") or "",
    }
    given = {name: value for name, value in values.items() if value}
    if isinstance(client, Mapping) and client.get("disabled"):
        given["insecure"] = True
    return given


def _makisu_file(section: Any, name: str, base: Path) -> str:  # noqa: ANN401 - any YAML
    if isinstance(section, str):
        return _path(section, base) if name == "cert" else ""
    part = section.get(name) or {}
    return _path(part if isinstance(part, str) else part.get("path") or "", base)
