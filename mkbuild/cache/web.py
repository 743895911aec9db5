"""HTTP as caches speak it: GET, HEAD and PUT on kept-alive connections, nothing clever.

Redirects are errors, so that credentials go nowhere else; nothing is tried twice, since a cache
that is in trouble is worth less than the time.
"""

import base64
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from mkbuild.cache.parallel import each
from mkbuild.cache.transfer import CHUNK, check_pace
from mkbuild.errors import UsageError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

MAX_VALUE = 1 << 17
"""The most bytes taken for an entry; a longer one is garbage."""

_THREADS = 16
_CONNECT_SECONDS, _READ_SECONDS = 2.0, 4.0


class WebClient:
    """Speaks to one server. ``url`` may hold ``user:password@``; what fails raises OSError.

    ``headers`` are sent with each request. Proxies are taken from the environment.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        """Take the address apart; UsageError for a header that cannot be sent."""
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        self.base = f"{parts.scheme}://{host}{parts.path.rstrip('/')}"
        """The address without credentials."""
        self._headers = {"User-Agent": "mkbuild", **_checked(headers)}
        if parts.username is not None:
            userinfo = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            encoded = base64.b64encode(userinfo.encode()).decode()
            self._headers.setdefault("Authorization", f"Basic {encoded}")
        self._lock = threading.Lock()
        self._pool: PoolManager | None = None

    def get(self, path: str, limit: int = MAX_VALUE) -> bytes | None:
        """Fetch something small; None where it is not there."""
        response = self._request("GET", path)
        if response is None:
            return None
        try:
            data = b"".join(_chunks(response, limit))
        except BaseException:
            response.close()
            raise
        response.release_conn()
        return data

    def get_all(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Fetch many small things side by side; those that are not there are absent."""
        found = zip(paths, each(self.get, paths, _THREADS), strict=True)
        return {path: data for path, data in found if data is not None}

    def head(self, path: str) -> bool:
        """Whether something is there."""
        response = self._request("HEAD", path)
        if response is None:
            return False
        response.drain_conn()
        response.release_conn()
        return True

    def head_all(self, paths: Sequence[str]) -> list[bool]:
        """Whether each of many things is there."""
        return each(self.head, paths, _THREADS)

    def put(self, path: str, body: bytes | BinaryIO, size: int) -> None:
        """Store something of a known size."""
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        response = self._request("PUT", path, body, headers)
        if response is None:
            message = f"{self.base} has no place {path}"
            raise OSError(message)
        response.drain_conn()
        response.release_conn()

    def download(self, path: str) -> Iterator[bytes] | None:
        """Fetch something big; None where it is not there."""
        response = self._request("GET", path)
        return None if response is None else _whole(response)

    def close(self) -> None:
        """Close all connections; the next request opens one again."""
        with self._lock:
            if self._pool is not None:
                self._pool.clear()

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "BaseHTTPResponse | None":
        from urllib3.exceptions import HTTPError  # a no-op build opens no connection

        try:
            response = self._open().request(
                method,
                f"{self.base}/{path}",
                body=body,
                headers={**self._headers, **(headers or {})},
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise OSError(_plain(error)) from error
        if response.status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            response.drain_conn()
            response.release_conn()
            return None
        if not HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            response.close()
            message = (
                f"{method} was answered with {response.status} {response.reason or ''}".strip()
            )
            raise OSError(message)
        return response

    def _open(self) -> "PoolManager":
        import urllib3  # as above

        from mkbuild.registry import pace

        with self._lock:
            if self._pool is None:
                timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
                parts = urlsplit(self.base)
                proxy = getproxies().get(parts.scheme)
                if proxy and not proxy_bypass(parts.hostname or ""):
                    self._pool = urllib3.ProxyManager(proxy, maxsize=_THREADS, timeout=timeout)
                else:
                    self._pool = urllib3.PoolManager(maxsize=_THREADS, timeout=timeout)
                pace.watch(self._pool)
            return self._pool


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Check headers before somebody else does, whose message would show their values."""
    checked = {}
    for name, text in headers.items():
        value = text.strip()
        if not (name.isascii() and value.isascii() and (name + value).isprintable()):
            message = f"the value of the HTTP header {name.strip()!r} cannot be sent"
            raise UsageError(message, hint="it has to be one line of ASCII characters")
        checked[name] = value
    return checked


def _plain(error: Exception) -> str:
    """Say what a urllib3 error says, without the objects in its text."""
    from urllib3.exceptions import TimeoutError as TooLateError

    from mkbuild.registry import pace

    if why := pace.trickle(error):
        return why
    if isinstance(error, TooLateError):
        return f"no answer within {_READ_SECONDS:.0f} s"
    text = str(error)
    return text.rpartition(">: ")[2] or type(error).__name__


def _chunks(response: "BaseHTTPResponse", limit: int | None) -> Iterator[bytes]:
    from urllib3.exceptions import HTTPError

    from mkbuild.registry import pace

    started, done = time.monotonic(), 0
    try:
        for chunk in pace.pieces(response, CHUNK):
            done += len(chunk)
            if limit is not None and done > limit:
                message = f"an answer of more than {limit} bytes"
                raise ValueError(message)
            check_pace(done, time.monotonic() - started)
            yield chunk
    except HTTPError as error:
        raise OSError(_plain(error)) from error


def _whole(response: "BaseHTTPResponse") -> Iterator[bytes]:
    try:
        yield from _chunks(response, None)
    finally:
        # A connection that was not read to its end cannot be used again.
        response.close()
