"""The client of one registry (OCI distribution spec 1.1): requests, manifests."""

import time
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from http.client import responses
from typing import Any, TypeVar

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import RegistryError
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.registry.answer import Answer
from mkbuild.registry.auth import Authorizer
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.credentials import Credentials
from mkbuild.registry.documents import SCHEMA1, parse_document, schema1_error
from mkbuild.registry.retry import (
    STATUSES,
    Pause,
    Report,
    TransientError,
    retry,
    retry_after,
    whole_number,
)
from mkbuild.registry.transport import Transport

T = TypeVar("T")

MAX_DOCUMENT = 4 << 20
"""Largest manifest or index, in bytes: what registries accept."""

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = ", ".join(sorted(mediatype.MANIFESTS | mediatype.INDEXES))

OK, CREATED, ACCEPTED, NO_CONTENT, PARTIAL = 200, 201, 202, 204, 206
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, NO_METHOD = 400, 401, 403, 404, 405
RANGE, TOO_MANY = 416, 429


def pull_scope(repository: str) -> str:
    """Scope of reading a repository (distribution's token scopes)."""
    return f"repository:{repository}:pull"


def push_scope(repository: str) -> str:
    """Scope of reading and writing a repository."""
    return f"repository:{repository}:pull,push"


@frozen
class Request:
    """One question to a registry: ``what`` names it in messages, ``expect`` its good answers."""

    method: str
    url: str
    scopes: tuple[str, ...]
    what: str
    expect: frozenset[int]
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Talks to one registry; safe to use from many threads. Every failure is a RegistryError."""

    def __init__(
        self,
        registry: str,
        settings: RegistrySettings,
        credentials: Callable[[], Credentials | None] = lambda: None,
        *,
        report: Report = lambda _: None,
        pause: Pause = time.sleep,
    ) -> None:
        """Prepare; the first connection is made by the first request."""
        self.registry = registry
        self.settings = settings
        self.report = report
        self.pause = pause
        self.transport = Transport(registry, settings)
        self._authorizer = Authorizer(self.transport, credentials)

    def url(self, repository: str, *path: str) -> str:
        """Return the URL of a resource of a repository."""
        return "/".join((self.transport.base, "v2", repository, *path))

    def once(self, request: Request, body: Callable[[], Any] = lambda: None) -> Answer:
        """Make one attempt: authorize, follow redirects of GET and HEAD, check the status.

        ``body`` is called for each time that the request is sent. Raises TransientError where
        another attempt may help. The answer is the caller's to close.
        """
        for _ in range(_MAX_REDIRECTS):
            answer = self._authorized(request, body)
            target = answer.location()
            redirected = answer.status in _REDIRECTS and request.method in {"GET", "HEAD"}
            if redirected and target is not None:
                answer.close()
                request = replace(request, url=self.transport.check(target))
                continue
            if answer.status in request.expect:
                return answer
            with answer:
                raise self._refusal(answer, request.what)
        raise RegistryError(
            f"{self.registry}: {request.what}: more than {_MAX_REDIRECTS} redirects"
        )

    def request(self, request: Request, data: bytes | None = None) -> tuple[Answer, bytes]:
        """Make a request of small size, trying again as often as the settings say.

        Returns the answer, closed, and its body.
        """

        def attempt() -> tuple[Answer, bytes]:
            with self.once(request, lambda: data) as answer:
                return answer, answer.read(MAX_DOCUMENT)

        return self.retry(attempt)

    def retry(self, attempt: Callable[[], T]) -> T:
        """Try as often as the settings say."""
        return retry(self.settings, self.report, self.pause, attempt)

    def _authorized(self, request: Request, body: Callable[[], Any]) -> Answer:
        if not self.transport.is_own(request.url):
            # Another host: it sees neither credentials nor tokens.
            return self._send(request, None, body)
        used = self._authorizer.header(request.scopes)
        answer = self._send(request, used, body)
        if answer.status != UNAUTHORIZED:
            return answer
        # Its connection goes back before a token is asked for, which may need one.
        refusal = answer.settle()
        if not self._authorizer.challenged(refusal, request.scopes, used):
            return refusal
        return self._send(request, self._authorizer.header(request.scopes), body)

    def _send(self, request: Request, authorization: str | None, body: Callable[[], Any]) -> Answer:
        secret = {"Authorization": authorization} if authorization else {}
        return self.transport.send(
            request.method, request.url, {**request.headers, **secret}, body()
        )

    def _refusal(self, answer: Answer, what: str) -> RegistryError:
        words = answer.problem()
        status = f"HTTP {answer.status} {responses.get(answer.status, '')}".rstrip()
        message = f"{self.registry}: {what}: {status}{': ' + words if words else ''}"
        hint = self._hint(answer.status, words)
        if answer.status in STATUSES:
            after = retry_after(answer.headers.get("Retry-After"))
            return TransientError(message, after=after, hint=hint)
        return RegistryError(message, hint=hint)

    def _hint(self, status: int, words: str) -> str | None:
        if status in {UNAUTHORIZED, FORBIDDEN}:
            return self._authorizer.refused_hint()
        if status == TOO_MANY:
            login = f"log in (docker login {self.registry})"
            return f"{login}, or name a mirror under registries:"
        if "HTTPS server" in words:
            return f"it speaks HTTPS: set registries: {self.registry}: ca: FILE, or insecure: true"
        return None

    def head(self, repository: str, target: str) -> Descriptor | None:
        """Ask what a tag or digest stands for; None where there is no such manifest.

        Where the registry does not say the digest, or knows no HEAD, the manifest is fetched: what
        a registry says of a failure comes with GET only.
        """
        answer, _ = self.request(
            Request(
                "HEAD",
                self.url(repository, "manifests", target),
                (pull_scope(repository),),
                f"asking for {repository}{_joint(target)}",
                frozenset({OK, NOT_FOUND, BAD_REQUEST, NO_METHOD}),
                {"Accept": _ACCEPT},
            )
        )
        if answer.status == NOT_FOUND:
            return None
        kind, text = media_type(answer), answer.headers.get("Docker-Content-Digest")
        length = whole_number(answer.headers.get("Content-Length"))
        if answer.status != OK or text is None or length is None:
            return self.document(repository, target).descriptor()
        if kind in SCHEMA1:
            raise schema1_error(f"{self.registry}/{repository}{_joint(target)}")
        digest = self._digest(text)
        if ":" in target and digest != target:
            raise RegistryError(
                f"{self.registry}/{repository}@{target}: the registry sent {digest}"
            )
        return Descriptor(kind, digest, length)

    def document(self, repository: str, target: str) -> Manifest | Index:
        """Fetch a manifest or index by tag or digest; its bytes are checked against the digest."""
        name = f"{self.registry}/{repository}{_joint(target)}"
        answer, data = self.request(
            Request(
                "GET",
                self.url(repository, "manifests", target),
                (pull_scope(repository),),
                f"fetching {repository}{_joint(target)}",
                frozenset({OK}),
                {"Accept": _ACCEPT},
            )
        )
        actual = digests.of(data)
        stated = answer.headers.get("Docker-Content-Digest")
        wanted = self._digest(target) if ":" in target else stated and self._digest(stated)
        if wanted and wanted != actual:
            raise RegistryError(f"{name}: the registry sent {actual}, not {wanted}")
        return parse_document(data, media_type(answer), name)

    def _digest(self, text: str) -> Digest:
        try:
            return digests.parse(text)
        except ValueError as error:
            raise RegistryError(f"{self.registry}: {error}") from error

    def put_document(self, repository: str, target: str, document: Manifest | Index) -> Digest:
        """Store a manifest or index under a tag or its digest; returns the digest."""
        answer, _ = self.request(
            Request(
                "PUT",
                self.url(repository, "manifests", target),
                (push_scope(repository),),
                f"storing {repository}{_joint(target)}",
                frozenset({OK, CREATED, ACCEPTED}),
                {"Content-Type": document.media_type},
            ),
            document.raw,
        )
        stated = answer.headers.get("Docker-Content-Digest")
        if stated and stated != document.digest:
            raise RegistryError(
                f"{self.registry}/{repository}{_joint(target)}: stored as {stated[:100]},"
                f" not as {document.digest}"
            )
        return document.digest

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()


def media_type(answer: Answer) -> str:
    """Return an answer's Content-Type without its parameters."""
    return (answer.headers.get("Content-Type") or "").partition(";")[0].strip()


def _joint(target: str) -> str:
    return f"@{target}" if ":" in target else f":{target}"
