"""One upload of a blob, in one piece or in chunks, that goes on where the registry says it is."""

import time
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import urlsplit

from mkbuild.errors import RegistryError
from mkbuild.events import Transfer
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor
from mkbuild.registry.answer import CHUNK, Answer
from mkbuild.registry.client import (
    ACCEPTED,
    CREATED,
    NO_CONTENT,
    NOT_FOUND,
    OK,
    RANGE,
    Client,
    Request,
    pull_scope,
    push_scope,
)
from mkbuild.registry.retry import TransientError, whole_number


def exists(client: Client, repository: str, descriptor: Descriptor) -> bool:
    """Whether a repository has a blob; one of another length does not count."""
    answer, _ = client.request(
        Request(
            "HEAD",
            client.url(repository, "blobs", descriptor.digest),
            (pull_scope(repository),),
            f"asking for blob {descriptor.digest} of {repository}",
            frozenset({OK, NOT_FOUND}),
        )
    )
    length = answer.headers.get("Content-Length")
    return answer.status == OK and (length is None or length == str(descriptor.size))


@frozen
class Session:
    """An upload that a registry has begun: where it goes on, and its smallest chunk in bytes."""

    location: str
    min_chunk: int = 0


def session_of(client: Client, answer: Answer, min_chunk: int = 0) -> Session:
    """Read where an upload goes on; RegistryError where that is missing or may not be followed."""
    location = answer.location()
    if location is None:
        raise RegistryError(f"{client.registry}: the registry began an upload, but not where")
    stated = whole_number(answer.headers.get("OCI-Chunk-Min-Length"))
    return Session(client.transport.check(location), stated or min_chunk)


def _last_byte(answer: Answer) -> int | None:
    """Return the last byte that a registry has, as its Range header says (``0-99``)."""
    return whole_number(answer.headers.get("Range", "").partition("-")[2])


class Upload:
    """The state of an upload between its attempts."""

    def __init__(
        self,
        client: Client,
        repository: str,
        descriptor: Descriptor,
        content: BinaryIO,
        session: Session | None,
    ) -> None:
        self._client = client
        self._repository = repository
        self._descriptor = descriptor
        self._content = content
        self._session = session
        self._scopes = (push_scope(repository),)
        self._what = f"uploading blob {descriptor.digest} to {repository}"
        self._offset = 0
        self._unsure = False
        """Whether a request failed, so that only the registry knows how much it has."""

    def attempt(self) -> None:
        """Send what is missing; TransientError where another attempt may complete it."""
        session = self._session
        if session is not None and self._unsure:
            session = self._ask_status(session)
            if session is None and exists(self._client, self._repository, self._descriptor):
                return  # only the last answer was lost
        if session is None:
            session, self._offset = self._begin(), 0
        self._session, self._unsure = session, True
        wanted = self._client.settings.push_chunk
        chunk = max(wanted, session.min_chunk)
        if self._offset or chunk:
            session = self._patch_rest(session, chunk or self._descriptor.size)
        self._finish(session)

    def _begin(self) -> Session:
        url = self._client.url(self._repository, "blobs", "uploads", "")
        request = Request("POST", url, self._scopes, self._what, frozenset({ACCEPTED}))
        with self._client.once(request) as answer:
            return session_of(self._client, answer)

    def _ask_status(self, session: Session) -> Session | None:
        """Ask how much of the upload has arrived; None where it has to begin anew."""
        request = Request(
            "GET",
            session.location,
            self._scopes,
            f"{self._what}: asking how much has arrived",
            frozenset({NO_CONTENT, NOT_FOUND}),
        )
        with self._client.once(request) as answer:
            last = _last_byte(answer)
            # "0-0" says one byte, or none: not worth telling apart.
            if answer.status == NOT_FOUND or not last:
                return None
            self._offset = min(last + 1, self._descriptor.size)
            if answer.headers.get("Location"):
                return session_of(self._client, answer, session.min_chunk)
            return session

    def _patch_rest(self, session: Session, chunk: int) -> Session:
        size = self._descriptor.size
        while self._offset < size:
            end = min(self._offset + chunk, size)
            span = {"Content-Range": f"{self._offset}-{end - 1}"}
            with self._send("PATCH", session.location, (self._offset, end), span) as answer:
                session = self._session = session_of(self._client, answer, session.min_chunk)
                arrived = _last_byte(answer)
            if arrived is not None and arrived + 1 < end:
                raise self._again("a chunk was cut")
            self._offset = end
        return session

    def _finish(self, session: Session) -> None:
        joint = "&" if urlsplit(session.location).query else "?"
        url = f"{session.location}{joint}digest={self._descriptor.digest}"
        with self._send("PUT", url, (self._offset, self._descriptor.size), {}) as answer:
            stated = answer.headers.get("Docker-Content-Digest")
        if stated and stated != self._descriptor.digest:
            raise RegistryError(f"{self._client.registry}: {self._what}: stored as {stated[:100]}")

    def _send(
        self, method: str, url: str, part: tuple[int, int], headers: dict[str, str]
    ) -> Answer:
        headers = {"Content-Type": "application/octet-stream"} | headers
        expect = frozenset({CREATED, ACCEPTED, NO_CONTENT, RANGE, NOT_FOUND})
        request = Request(method, url, self._scopes, self._what, expect, headers)
        answer = self._client.once(request, lambda: self._body(*part))
        if answer.status in {RANGE, NOT_FOUND}:
            answer.close()
            # Asking for the status tells which: another offset, or an upload forgotten.
            raise self._again(f"the registry answered {answer.status} in the middle")
        return answer

    def _again(self, why: str) -> TransientError:
        return TransientError(f"{self._client.registry}: {self._what}: {why}", after=0)

    def _body(self, start: int, end: int) -> "_Part | bytes":
        if start == end:
            return b""
        self._content.seek(start)
        return _Part(self._client, self._descriptor, self._content, start, end)


class _Part:
    """Bytes ``start`` to ``end`` of a blob as the body of a request: shown and paced as it goes."""

    def __init__(
        self, client: Client, descriptor: Descriptor, content: BinaryIO, start: int, end: int
    ) -> None:
        self._client = client
        self._descriptor = descriptor
        self._content = content
        self._start = start
        self._position = start
        self._end = end
        self._began = time.monotonic()

    def __len__(self) -> int:
        return self._end - self._position

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.read(CHUNK):
            yield chunk

    def read(self, size: int = -1) -> bytes:
        left = self._end - self._position
        data = self._content.read(left if size < 0 else min(size, left))
        self._position += len(data)
        self._pace()
        done, total = self._position, self._descriptor.size
        self._client.report(Transfer("push", self._descriptor.digest, done, total))
        return data

    def _pace(self) -> None:
        if rate := self._client.settings.push_rate:
            ahead = (self._position - self._start) / rate - (time.monotonic() - self._began)
            if ahead > 0:
                self._client.pause(ahead)
