"""HTTP to one registry and the hosts it refers to: connections, TLS, limits, failures.

What is safe to send where is decided here and in :mod:`mkbuild.registry.auth`: the client
certificate and Authorization go to the registry's own origin only, HTTPS never becomes HTTP, and a
public registry cannot direct us to an address of this machine or its network.
"""

import re
import ssl
import threading
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import NewConnectionError

from mkbuild import __version__
from mkbuild.errors import RegistryError
from mkbuild.oci.reference import DOCKER_HUB
from mkbuild.registry import pace
from mkbuild.registry.answer import CHUNK, Answer
from mkbuild.registry.config import RegistrySettings, host_of, is_loopback
from mkbuild.registry.http import HTTPAdapter, requests
from mkbuild.registry.retry import TransientError, UnavailableError

_CONNECT_TIMEOUT = 10.0
_HUB_HOST = "registry-1.docker.io"
_CONNECTION = re.compile(r"\A(?:<.*>|HTTPS?Connection\([^)]*\)): ")
"""The connection object that urllib3 puts in front of what went wrong."""


class _Adapter(HTTPAdapter):
    """Pools of limited size, with a TLS context of our own beside the usual authorities."""

    def __init__(self, size: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=8, pool_maxsize=size, pool_block=True)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        if self._context is not None:
            options["ssl_context"] = self._context
        options["blocksize"] = CHUNK
        super().init_poolmanager(*arguments, **options)
        pace.watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> urllib3.ProxyManager:  # noqa: ANN401
        manager: urllib3.ProxyManager = super().proxy_manager_for(proxy, **options)
        pace.watch(manager)
        return manager


class Transport:
    """Connections of one registry; safe to use from many threads."""

    def __init__(self, registry: str, settings: RegistrySettings) -> None:
        """Prepare; nothing is opened before the first request."""
        self.registry = registry
        self.settings = settings
        self._lock = threading.Lock()
        self._base: str | None = None
        self._own: requests.Session | None = None
        self._other: requests.Session | None = None

    @property
    def base(self) -> str:
        """``scheme://host[:port]`` of the registry; where it is insecure, found by asking."""
        with self._lock:
            if self._base is None:
                self._base = self._find_base()
            return self._base

    def _find_base(self) -> str:
        host = _HUB_HOST if self.registry == DOCKER_HUB else self.registry
        settings = self.settings
        if settings.insecure and not settings.ca:
            try:
                self._send(self._session(own=True), "GET", f"https://{host}/v2/", {}, None).close()
            except RegistryError:
                return f"http://{host}"
            return f"https://{host}"
        plain = is_loopback(host) and not (settings.ca or settings.cert)
        return f"http://{host}" if plain else f"https://{host}"

    def is_own(self, url: str) -> bool:
        """Whether a URL has the registry's own origin: scheme, host and port."""
        return _origin(url) == _origin(self.base)

    def check(self, url: str) -> str:
        """Return a URL that the registry referred to, if it may be followed.

        Raises RegistryError for one that is no HTTP, that would leave HTTPS, or that points from a
        public registry to a private address. Names are not resolved: a name that leads to such an
        address would need its certificate.
        """
        own = urlsplit(self.base)
        # Without the query, which may hold a signature.
        where = f"{self.registry} refers to {url.partition('?')[0][:200]!r}"
        try:
            parts = urlsplit(url)
            usable = parts.scheme in {"http", "https"} and parts.port != 0
        except ValueError as error:
            raise RegistryError(f"{where}, which is no address: {error}") from error
        if not usable or not parts.hostname or "@" in parts.netloc:
            raise RegistryError(f"{where}, which is no HTTP address")
        if own.scheme == "https" and parts.scheme == "http":
            raise RegistryError(f"{where}: that would give up encryption")
        named = parts.hostname in self.settings.token_hosts
        if _is_private(parts.hostname) and not (named or _is_private(own.hostname or "")):
            raise RegistryError(f"{where}: a public registry has no business on a private address")
        return url

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any = None,  # noqa: ANN401 - bytes, or a file-like object with a length
    ) -> Answer:
        """Send one request and return its answer, whatever its status; redirects are answers.

        Raises TransientError where another attempt may help, RegistryError where none will.
        """
        own = self.is_own(url)
        with self._lock:
            session = self._session(own=own)
        return self._send(session, method, url, headers, body)

    def _session(self, *, own: bool) -> requests.Session:
        session = self._own if own else self._other
        if session is None:
            session = self._make_session(own=own)
            if own:
                self._own = session
            else:
                self._other = session
        return session

    def _make_session(self, *, own: bool) -> requests.Session:
        settings = self.settings
        session = requests.Session()
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        context: ssl.SSLContext | None = None
        if settings.ca or (own and settings.cert):
            context = self._context(own=own)
        adapter = _Adapter(settings.concurrency, context)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        # A proxy is never asked for this machine, as with Go's clients.
        session.trust_env = not is_loopback(self.registry)
        if own and settings.insecure and not settings.ca:
            session.verify = False
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return session

    def _context(self, *, own: bool) -> ssl.SSLContext:
        settings = self.settings
        context = ssl.create_default_context()
        try:
            if settings.ca:
                context.load_verify_locations(cafile=settings.ca)
            if own and settings.cert:
                context.load_cert_chain(settings.cert, settings.key or None)
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(
                f"cannot use the certificates of {self.registry}: {error}",
                hint="check ca, cert and key of the registry: PEM files that can be read",
            ) from error
        return context

    def _send(
        self,
        session: requests.Session,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Any,  # noqa: ANN401
    ) -> Answer:
        where = f"{method} {_shown(url)}"
        timeout = (min(_CONNECT_TIMEOUT, self.settings.timeout), self.settings.timeout)
        try:
            response = session.request(
                method,
                url,
                headers={"User-Agent": f"mkbuild/{__version__}", "Accept-Encoding": "identity"}
                | dict(headers),
                data=body,
                stream=True,
                allow_redirects=False,
                timeout=timeout,
                verify=session.verify,
                # Says that we bring our own Authorization: else ~/.netrc is read.
                auth=_unchanged,
            )
        except requests.RequestException as error:
            raise self._failure(error, where) from error
        except ValueError as error:
            # requests reads Location even of redirects that it is told not to follow.
            raise RegistryError(f"{where}: an answer that cannot be read: {error}") from error
        return Answer(response, url, where, self.settings.timeout)

    def _failure(self, error: requests.RequestException, where: str) -> RegistryError:
        failures = requests.exceptions
        reason = _reason(error)
        match error:
            case failures.SSLError():
                private = f"for a private authority set registries: {self.registry}: ca: FILE"
                return RegistryError(
                    f"{where}: no secure connection: {reason}",
                    hint=f"{private}; insecure: true gives up verification, or encryption",
                )
            case failures.ReadTimeout():
                late = f"no answer within {self.settings.timeout:g} s"
                return TransientError(f"{where}: {pace.trickle(error) or late}")
            case failures.ConnectTimeout() | failures.ProxyError():
                return self._unreachable(f"{where}: {reason}")
            case failures.ConnectionError() if isinstance(_cause(error), NewConnectionError):
                return self._unreachable(f"{where}: {reason}")
            case failures.ConnectionError() | failures.ChunkedEncodingError():
                return TransientError(f"{where}: the connection broke off: {reason}")
            case _:
                return RegistryError(f"{where}: {reason}")

    def _unreachable(self, message: str) -> UnavailableError:
        return UnavailableError(
            message, hint=f"is {self.registry} right? a mirror can stand in for it (registries:)"
        )

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for session in (self._own, self._other):
                if session is not None:
                    session.close()
            self._own = self._other = None


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _cause(error: requests.RequestException) -> BaseException | None:
    inner = error.args[0] if error.args else None
    return getattr(inner, "reason", None) or (inner if isinstance(inner, Exception) else None)


def _reason(error: requests.RequestException) -> str:
    cause = _cause(error) or error
    text = str(cause.args[-1] if cause.args else cause)
    return _CONNECTION.sub("", text)[:300]


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return parts.scheme, (parts.hostname or "").lower(), port


def _shown(url: str) -> str:
    """Leave out the query: pre-signed URLs carry credentials there."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _is_private(host: str) -> bool:
    if is_loopback(f"[{host}]" if ":" in host else host):
        return True
    try:
        return not ip_address(host_of(f"[{host}]" if ":" in host else host)).is_global
    except ValueError:
        return False
