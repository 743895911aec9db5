"""Authorization towards one registry: anonymous, Basic, Bearer (distribution's token protocol).

Credentials go to the registry itself and to a token server of its own domain, nowhere else.
"""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import field
from typing import Any
from urllib.parse import urlencode, urlsplit

from mkbuild.errors import RegistryError
from mkbuild.frozen import frozen
from mkbuild.registry.answer import Answer
from mkbuild.registry.config import host_of
from mkbuild.registry.credentials import Credentials
from mkbuild.registry.retry import STATUSES, TransientError, retry_after
from mkbuild.registry.transport import Transport

_CLIENT = "mkbuild"
_TOKEN_ANSWER = 1 << 20
_DEFAULT_LIFE = 60.0
_EARLY = 10.0
"""Tokens are renewed this many seconds before they end."""

_CHALLENGE = re.compile(r"(?P<scheme>[A-Za-z]+)(?:\s+(?=[A-Za-z_]+\s*=)|\s*(?:,|$))")
_PARAMETER = re.compile(r'\s*([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)?')


@frozen
class Challenge:
    """One challenge of a WWW-Authenticate header (RFC 9110, 11.6.1); the scheme in lower case."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)


def parse_challenges(header: str) -> list[Challenge]:
    """Read a WWW-Authenticate header; what is malformed ends it."""
    challenges, position = [], 0
    while found := _CHALLENGE.match(header, position):
        position = found.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
            parameters[name.lower()] = value
            position = parameter.end()
        challenges.append(Challenge(found["scheme"].lower(), parameters))
        while position < len(header) and header[position] in " ,\t":
            position += 1
    return challenges


@frozen
class _Token:
    value: str = field(repr=False)
    ends: float


class Authorizer:
    """Knows what to put into Authorization for a registry; safe to use from many threads."""

    def __init__(
        self,
        transport: Transport,
        credentials: Callable[[], Credentials | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look credentials up only when a registry asks for them."""
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._basic: str | None = None
        self._bearer: Challenge | None = None
        self._tokens: dict[frozenset[str], _Token] = {}
        self._refresh_token = ""

    def header(self, scopes: Iterable[str]) -> str | None:
        """Return Authorization for some scopes; None where the registry asked for nothing yet."""
        with self._lock:
            if self._basic is not None:
                return self._basic
            if self._bearer is None:
                return None
            return self._token_header(frozenset(scopes), self._bearer)

    def challenged(self, answer: Answer, scopes: Iterable[str], used: str | None) -> bool:
        """Take over a 401's challenge; whether it makes sense to ask again.

        ``used`` is the header that was refused. Raises RegistryError where no token can be had.
        """
        challenges = parse_challenges(answer.headers.get("WWW-Authenticate") or "")
        with self._lock:
            wanted = frozenset(scopes)
            for challenge in challenges:
                if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                    return self._take_bearer(challenge, wanted, used)
            if any(challenge.scheme == "basic" for challenge in challenges):
                return self._take_basic(used)
            return False

    def _take_basic(self, used: str | None) -> bool:
        found = self._credentials()
        if found is None or not found.username:
            return False
        self._basic = _basic(found)
        return self._basic != used

    def _take_bearer(self, challenge: Challenge, scopes: frozenset[str], used: str | None) -> bool:
        self._bearer = challenge
        known = self._tokens.get(scopes)
        if known is not None and used == f"Bearer {known.value}":
            # Refused before its time: it was revoked, or is too weak. A new one may do.
            del self._tokens[scopes]
        return self._token_header(scopes, challenge) != used

    def _token_header(self, scopes: frozenset[str], challenge: Challenge) -> str:
        token = self._tokens.get(scopes)
        if token is None or token.ends <= self._clock():
            token = self._fetch(scopes, challenge)
            self._tokens[scopes] = token
        return f"Bearer {token.value}"

    def _fetch(self, scopes: frozenset[str], challenge: Challenge) -> _Token:
        realm = self._transport.check(challenge.parameters["realm"])
        found = self._credentials()
        if found is not None and found.registry_token:
            return _Token(found.registry_token, float("inf"))
        if found is not None and not self._may_see(realm):
            found = None
        asked = self._clock()
        with self._ask(realm, sorted(scopes), challenge, found) as answer:
            token, life, refresh = self._read(answer, realm)
        self._refresh_token = refresh or self._refresh_token
        return _Token(token, asked + max(life - _EARLY, life / 2))

    def _ask(
        self, realm: str, scopes: list[str], challenge: Challenge, found: Credentials | None
    ) -> Answer:
        service = challenge.parameters.get("service", "")
        common = [("service", service), *(("scope", scope) for scope in scopes)]
        identity = self._refresh_token or (found.identity_token if found else "")
        if identity and found is not None:
            form = [
                ("grant_type", "refresh_token"),
                ("client_id", _CLIENT),
                ("service", service),
                ("scope", " ".join(scopes)),
                ("refresh_token", identity),
            ]
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return self._transport.send("POST", realm, kind, urlencode(form).encode())
        headers = {}
        if found is not None and found.username:
            common.append(("account", found.username))
            headers["Authorization"] = _basic(found)
        joint = "&" if urlsplit(realm).query else "?"
        return self._transport.send("GET", f"{realm}{joint}{urlencode(common)}", headers)

    def _read(self, answer: Answer, realm: str) -> tuple[str, float, str]:
        where = f"token server {urlsplit(realm).netloc.rpartition('@')[2]}"
        if answer.status in STATUSES:
            after = retry_after(answer.headers.get("Retry-After"))
            raise TransientError(f"{where}: HTTP {answer.status}", after=after)
        if answer.status != 200:  # noqa: PLR2004
            raise RegistryError(
                f"{where} gives no token: {answer.problem()} (HTTP {answer.status})",
                hint=self._login_hint(realm),
            )
        try:
            document: Any = json.loads(answer.read(_TOKEN_ANSWER))
            token = document.get("token") or document.get("access_token")
            life = float(document.get("expires_in") or _DEFAULT_LIFE)
            refresh = str(document.get("refresh_token") or "")
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            token, life, refresh = None, 0.0, ""
        if not isinstance(token, str) or not token.isprintable() or not token.isascii():
            raise RegistryError(f"{where} answered what is no token")
        return token, life, refresh

    def _login_hint(self, realm: str) -> str:
        registry = self._transport.registry
        if not self._may_see(realm):
            host = urlsplit(realm).hostname
            return (
                f"credentials of {registry} are not shown to {host}, another domain; if that is its"
                f" token server, set registries: {{{registry}: {{token_hosts: [{host}]}}}}"
            )
        return f"log in: docker login {registry}"

    def _may_see(self, realm: str) -> bool:
        """Whether a token server may see the credentials: its host is of the registry's domain."""
        host = (urlsplit(realm).hostname or "").lower()
        own = host_of(urlsplit(self._transport.base).netloc)
        if host == own or host in self._transport.settings.token_hosts:
            return True
        parent = own.partition(".")[2]
        return _is_domain(own, parent) and (host == parent or host.endswith(f".{parent}"))

    def refused_hint(self) -> str:
        """Say what may help where the registry refused."""
        if self._bearer is not None:
            return self._login_hint(self._bearer.parameters["realm"])
        return f"log in: docker login {self._transport.registry}"


def _is_domain(own: str, parent: str) -> bool:
    """Whether the parent of a host is somebody's domain, and no suffix such as ``co.uk``."""
    labels = parent.split(".")
    if own.replace(".", "").isdigit() or ":" in own or len(labels) < 2:  # noqa: PLR2004
        return False
    shared_suffix = len(labels) == 2 and len(labels[1]) == 2 and len(labels[0]) <= 3  # noqa: PLR2004
    return not shared_suffix


def _basic(found: Credentials) -> str:
    pair = f"{found.username}:{found.password}".encode()
    return "Basic " + base64.b64encode(pair).decode()
