"""Answers that hardly come: a socket's timeout counts silence only, and one byte ends that.

The rate is watched below everything that reads, so it holds for status lines, headers, chunk sizes
and bodies alike.
"""

import http.client
import io
import socket
import time
from collections.abc import Iterator
from typing import Any

import urllib3
from urllib3 import connection, connectionpool

LEAST_RATE = 1000
"""Bytes a second, on average over a socket's timeout."""


class TrickleError(TimeoutError):
    """An answer of fewer bytes than are worth waiting for."""


def watch(manager: urllib3.PoolManager) -> None:
    """Let all connections of a pool (or of a proxy) raise TrickleError, in urllib3's wrapping."""
    manager.pool_classes_by_scheme = {
        "http": HTTPConnectionPool,
        "https": HTTPSConnectionPool,
    }


def trickle(error: BaseException | None) -> str | None:
    """Return what a TrickleError among an error's causes says; None where there is none."""
    while error is not None and not isinstance(error, TrickleError):
        error = error.__cause__ or error.__context__
    return None if error is None else str(error)


def pieces(response: urllib3.BaseHTTPResponse, size: int) -> Iterator[bytes]:
    """Iterate over a body as it arrives, at most ``size`` bytes at a time, nothing decoded.

    What has arrived before a failure is not lost, as it is to a reader that waits for ``size``.
    """
    while data := response.read1(size, decode_content=False):
        yield data


class _Stream(io.RawIOBase):
    """A socket's bytes; what counts is time spent waiting for them, from the first ones on."""

    def __init__(self, raw: io.RawIOBase, window: float) -> None:
        self._raw = raw
        self._window = window
        self._begun = False
        self._waited, self._got = 0.0, 0

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._raw.fileno()

    def readinto(self, buffer: Any, /) -> int | None:  # noqa: ANN401 - a writable buffer
        began = time.monotonic()
        count = self._raw.readinto(buffer)
        if self._begun:
            self._waited += time.monotonic() - began
            self._got += count or 0
            if self._waited >= self._window:
                self._check()
        self._begun = True
        return count

    def _check(self) -> None:
        if self._got < LEAST_RATE * self._waited:
            message = f"sent only {self._got} bytes in {self._waited:.3g} s"
            raise TrickleError(message)
        self._waited, self._got = 0.0, 0

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(sock, *arguments, **options)
        window = sock.gettimeout()
        if window is not None:
            self.fp = io.BufferedReader(_Stream(self.fp.detach(), window))


# Errors show the names of these classes: they are urllib3's own.


class HTTPConnection(connection.HTTPConnection):
    """A connection whose answers are watched."""

    response_class: type[http.client.HTTPResponse] = _Response


class HTTPSConnection(connection.HTTPSConnection):
    """The same, encrypted."""

    response_class: type[http.client.HTTPResponse] = _Response


class HTTPConnectionPool(connectionpool.HTTPConnectionPool):
    """Connections to one host."""

    ConnectionCls = HTTPConnection  # type: ignore[mutable-override]


class HTTPSConnectionPool(connectionpool.HTTPSConnectionPool):
    """The same, encrypted."""

    ConnectionCls = HTTPSConnection  # type: ignore[mutable-override]
