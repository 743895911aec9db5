"""The client of one registry (OCI distribution spec 1.1): manifests, tags, referrers, requests."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.client import responses
from typing import Any, TypeVar
from urllib.parse import urljoin

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.registry.auth import Authorizer
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.credentials import Credentials
from mkbuild.registry.retry import (
    STATUSES,
    Pause,
    Report,
    TransientError,
    retry,
    retry_after,
)
from mkbuild.registry.transport import Answer, Transport

T = TypeVar("T")

MAX_DOCUMENT = 4 << 20
"""Largest manifest or index, in bytes: what registries accept."""

_MAX_REDIRECTS = 5
_MAX_TAG_PAGES = 1000
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SCHEMA1 = frozenset({mediatype.DOCKER_SCHEMA1, mediatype.DOCKER_SCHEMA1_SIGNED})
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


@dataclass(frozen=True, slots=True)
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
        kind, text = _media_type(answer), answer.headers.get("Docker-Content-Digest")
        length = answer.headers.get("Content-Length") or ""
        if answer.status != OK or text is None or not length.isdigit():
            return self.document(repository, target).descriptor()
        if kind in _SCHEMA1:
            raise _schema1(f"{self.registry}/{repository}{_joint(target)}")
        digest = self._digest(text)
        if ":" in target and digest != target:
            raise RegistryError(
                f"{self.registry}/{repository}@{target}: the registry sent {digest}"
            )
        return Descriptor(kind, digest, int(length))

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
        return parse_document(data, _media_type(answer), name)

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

    def tags(self, repository: str) -> list[str]:
        """List the tags of a repository, page by page; empty where there is no repository."""
        tags: list[str] = []
        url = self.url(repository, "tags", "list")
        for _ in range(_MAX_TAG_PAGES):
            answer, data = self.request(
                Request(
                    "GET",
                    url,
                    (pull_scope(repository),),
                    f"listing the tags of {repository}",
                    frozenset({OK, NOT_FOUND}),
                )
            )
            if answer.status == NOT_FOUND:
                return tags
            tags += _tag_page(data, f"{self.registry}/{repository}")
            following = self._next_page(answer)
            if following is None:
                return tags
            url = following
        raise RegistryError(f"{self.registry}/{repository}: the list of tags has no end")

    def _next_page(self, answer: Answer) -> str | None:
        link = answer.headers.get("Link", "")
        target, _, relation = link.partition(">")
        if not target.startswith("<") or 'rel="next"' not in relation:
            return None
        return self.transport.check(urljoin(answer.url, target[1:]))

    def referrers(self, repository: str, subject: Digest) -> Index:
        """Return what refers to a manifest: by the API, else by the fallback tag; may be empty."""
        answer, data = self.request(
            Request(
                "GET",
                self.url(repository, "referrers", subject),
                (pull_scope(repository),),
                f"listing what refers to {repository}@{subject}",
                frozenset({OK, NOT_FOUND}),
            )
        )
        if answer.status == OK and _media_type(answer) == mediatype.OCI_INDEX:
            return _as_index(data, f"{self.registry}/{repository}")
        tag = fallback_tag(subject)
        if self.head(repository, tag) is None:
            return Index.build(())
        found = self.document(repository, tag)
        return found if isinstance(found, Index) else Index.build(())

    def add_referrer(self, repository: str, referrer: Manifest) -> None:
        """Store a manifest with a subject; where the registry has no API, list it under the tag."""
        if referrer.subject is None:
            message = "a referrer needs a subject"
            raise ValueError(message)
        answer, _ = self.request(
            Request(
                "PUT",
                self.url(repository, "manifests", referrer.digest),
                (push_scope(repository),),
                f"storing {repository}@{referrer.digest}",
                frozenset({OK, CREATED, ACCEPTED}),
                {"Content-Type": referrer.media_type},
            ),
            referrer.raw,
        )
        if answer.headers.get("OCI-Subject") == referrer.subject.digest:
            return
        known = self.referrers(repository, referrer.subject.digest).manifests
        if all(entry.digest != referrer.digest for entry in known):
            index = Index.build((*known, referrer.descriptor()))
            self.put_document(repository, fallback_tag(referrer.subject.digest), index)

    def close(self) -> None:
        """Close all connections."""
        self.transport.close()


def fallback_tag(subject: Digest) -> str:
    """Tag under which referrers are listed where the API is missing (distribution spec 1.1)."""
    return subject.replace(":", "-")


def parse_document(data: bytes, content_type: str, name: str) -> Manifest | Index:
    """Read a manifest or index whose own media type must be what the registry says it is.

    Raises RegistryError; schema 1 is refused by name.
    """
    if content_type in _SCHEMA1:
        raise _schema1(name)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{name}: the manifest is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RegistryError(f"{name}: the manifest is not a JSON object")
    if document.get("schemaVersion") == 1:
        raise _schema1(name)
    stated = document.get("mediaType") or content_type
    if stated != content_type:
        raise RegistryError(
            f"{name}: the registry calls it {content_type or 'nothing'}, itself says {stated}"
        )
    try:
        if stated in mediatype.MANIFESTS:
            return Manifest.parse(data, stated)
        if stated in mediatype.INDEXES:
            return Index.parse(data, stated)
    except ArchiveError as error:
        raise RegistryError(f"{name}: {error.message}") from error
    raise RegistryError(
        f"{name}: {stated or 'no type at all'} is no type of manifest",
        hint="is this the address of a registry (and not of its web page)?",
    )


def _schema1(name: str) -> RegistryError:
    return RegistryError(
        f"{name} is a docker schema 1 manifest, which has no content digests to trust",
        hint="copy it to a current registry with skopeo copy --format v2s2",
    )


def _as_index(data: bytes, name: str) -> Index:
    try:
        return Index.parse(data, mediatype.OCI_INDEX)
    except ArchiveError as error:
        raise RegistryError(f"{name}: {error.message}") from error


def _tag_page(data: bytes, name: str) -> list[str]:
    try:
        tags = json.loads(data).get("tags") or []
    except (ValueError, AttributeError, RecursionError) as error:
        raise RegistryError(f"{name}: the list of tags is malformed: {error}") from error
    return [tag for tag in tags if isinstance(tag, str)]


def _media_type(answer: Answer) -> str:
    return (answer.headers.get("Content-Type") or "").partition(";")[0].strip()


def _joint(target: str) -> str:
    return f"@{target}" if ":" in target else f":{target}"
