"""A registry's answer, whose body is read as far as it is wanted."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Self
from urllib.parse import urljoin

from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from mkbuild.errors import RegistryError
from mkbuild.registry import pace
from mkbuild.registry.http import requests
from mkbuild.registry.retry import TransientError, whole_number

CHUNK = 1 << 18
"""Bytes that are read or sent at once."""

_ERROR_BODY = 1 << 16
_DOCUMENT_TIMEOUTS = 5
"""Timeouts within which a whole document has to come: at 20 kB/s the largest takes less."""


class Answer:
    """A response whose body has not been read; closing it gives its connection back."""

    def __init__(self, response: requests.Response, url: str, where: str, timeout: float) -> None:
        self._response = response
        self._where = where
        self._timeout = timeout
        self._words: str | None = None
        self.url = url
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def chunks(self) -> Iterator[bytes]:
        """Iterate over the body's bytes as they were sent, and when they come.

        TransientError where it breaks off, or hardly comes.
        """
        try:
            yield from pace.pieces(self._response.raw, CHUNK)
        except ReadTimeoutError as error:
            why = pace.trickle(error) or "no data arrived in time"
            raise TransientError(f"{self._where}: {why}") from error
        except (ProtocolError, OSError, HTTPError) as error:
            raise TransientError(f"{self._where}: the connection broke off: {error}") from error

    def read(self, limit: int) -> bytes:
        """Read the body of a document; RegistryError where it is longer than ``limit`` bytes.

        TransientError where it takes longer than a document may.
        """
        data = bytearray()
        began = time.monotonic()
        for chunk in self.chunks():
            data += chunk
            if len(data) > limit:
                raise RegistryError(f"{self._where}: the answer is larger than {limit} bytes")
            seconds = time.monotonic() - began
            if seconds > _DOCUMENT_TIMEOUTS * self._timeout:
                self._response.close()  # the rest is not waited for, as in a close() of ours
                raise TransientError(
                    f"{self._where}: sent only {len(data)} bytes in {seconds:.3g} s"
                )
        return bytes(data)

    def settle(self) -> Self:
        """Read what the registry says of a failure, and give the connection back."""
        self._words = self.problem()
        self.close()
        return self

    def problem(self) -> str:
        """Return the registry's own words: ``CODE message; …``, or how the body begins."""
        if self._words is not None:
            return self._words
        data = bytearray()
        # The status is known already: half of an explanation is as good.
        with suppress(TransientError):
            for chunk in self.chunks():
                data += chunk
                if len(data) > _ERROR_BODY:
                    break
        return _explain(bytes(data))

    def location(self) -> str | None:
        """Return the Location header as an absolute URL."""
        target = self.headers.get("Location")
        return self.refer(target) if target else None

    def refer(self, target: str) -> str:
        """Make an absolute URL of one that the answer names; RegistryError where it is none."""
        try:
            return urljoin(self.url, target)
        except ValueError as error:
            raise RegistryError(f"{self._where}: no address: {target[:200]!r}") from error

    def close(self) -> None:
        """Give the connection back for the next request; a long unread body costs it."""
        length = whole_number(self.headers.get("Content-Length"))
        if length is not None and length <= _ERROR_BODY:
            with suppress(TransientError):
                for _ in self.chunks():
                    pass
        self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _explain(data: bytes) -> str:
    try:
        errors = json.loads(data)["errors"]
        texts = [f"{e.get('code', '')} {e.get('message', '')}".strip() for e in errors]
        details = [str(e["detail"])[:200] for e in errors if isinstance(e.get("detail"), str)]
        return _printable("; ".join([*texts, *details]))[:500]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _printable(data.decode("utf-8", "replace"))[:200]


def _printable(text: str) -> str:
    """Leave out what would act on a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
