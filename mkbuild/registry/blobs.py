"""Blobs of a registry: streamed download with resume, upload in one piece or in chunks."""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import BinaryIO
from urllib.parse import urlsplit

from mkbuild import digest as digests
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.events import Transfer
from mkbuild.oci.model import Descriptor
from mkbuild.registry.client import (
    ACCEPTED,
    CREATED,
    NO_CONTENT,
    NOT_FOUND,
    OK,
    PARTIAL,
    RANGE,
    Client,
    Request,
    pull_scope,
    push_scope,
)
from mkbuild.registry.retry import TransientError
from mkbuild.registry.transport import CHUNK, Answer
from mkbuild.store.protocol import BlobStore, BlobWriter


class Moved(Enum):
    """How a blob got into a repository."""

    EXISTED = "existed"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


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


def download(
    client: Client, repository: str, descriptor: Descriptor, into: BlobStore, url: str = ""
) -> None:
    """Fetch a blob into a store, hashing while writing; broken transfers are resumed.

    ``url``: where a foreign layer is kept, outside of the registry; it gets no credentials.
    Raises RegistryError: absent, of other bytes or length, or failed too often.
    """
    what = f"blob {descriptor.digest} of {repository}"
    if url:
        client.transport.check(url)
    request = Request(
        "GET",
        url or client.url(repository, "blobs", descriptor.digest),
        (pull_scope(repository),),
        f"fetching {what}",
        frozenset({OK, PARTIAL}),
    )
    with into.writer() as blob:
        job = _Download(client, request, descriptor, blob, what)
        client.retry(job.attempt)
        try:
            blob.commit(descriptor.digest)
        except ArchiveError as error:
            raise RegistryError(f"{client.registry}: {what}: {error.message}") from error
    job.show(finished=True)


class _Download:
    """The state of a download between its attempts: how many bytes have been written."""

    def __init__(
        self, client: Client, request: Request, descriptor: Descriptor, blob: BlobWriter, what: str
    ) -> None:
        self._client = client
        self._request = request
        self._descriptor = descriptor
        self._blob = blob
        self._what = what
        self._done = 0

    def attempt(self) -> None:
        client, size = self._client, self._descriptor.size
        if self._done == size and size:
            return
        headers = {"Range": f"bytes={self._done}-"} if self._done else {}
        with client.once(replace(self._request, headers=headers)) as answer:
            # A server that knows no ranges sends all again: what we have is passed over.
            skip = self._done if answer.status == OK else self._check_range(answer)
            for chunk in answer.chunks():
                fresh = memoryview(chunk)[min(skip, len(chunk)) :]
                skip -= len(chunk) - len(fresh)
                self._write(fresh)
        if self._done < size:
            raise TransientError(
                f"{client.registry}: {self._what}: {self._done} of {size} bytes arrived"
            )

    def _check_range(self, answer: Answer) -> int:
        start = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if start != str(self._done):
            raise RegistryError(
                f"{self._client.registry}: {self._what}: asked for bytes from {self._done} on,"
                f" got {answer.headers.get('Content-Range', '')[:100]!r}"
            )
        return 0

    def _write(self, data: memoryview) -> None:
        if not data:
            return
        if self._done + len(data) > self._descriptor.size:
            raise RegistryError(
                f"{self._client.registry}: {self._what} is longer than"
                f" the {self._descriptor.size} bytes of its descriptor"
            )
        self._blob.write(data)
        self._done += len(data)
        self.show()

    def show(self, *, finished: bool = False) -> None:
        size = self._descriptor.size
        self._client.report(Transfer("pull", self._descriptor.digest, self._done, size, finished))


@dataclass(frozen=True, slots=True)
class BlobSource:
    """Where a blob comes from: repositories to mount it from, else the store.

    ``provide`` is called where it must be uploaded and the store lacks it.
    """

    store: BlobStore
    mount_from: Sequence[str] = ()
    provide: Callable[[Descriptor], None] = lambda _: None


def push(client: Client, repository: str, descriptor: Descriptor, source: BlobSource) -> Moved:
    """Bring a blob into a repository: found there, mounted from another one, or uploaded.

    Raises RegistryError; KeyError where the blob has to be uploaded and is not to be had.
    """
    if exists(client, repository, descriptor):
        return Moved.EXISTED
    session = None
    for other in source.mount_from:
        if other != repository:
            mounted, session = mount(client, repository, descriptor, other)
            if mounted:
                return Moved.MOUNTED
    if not source.store.has(descriptor.digest):
        source.provide(descriptor)
    with source.store.open(descriptor.digest) as content:
        job = _Upload(client, repository, descriptor, content, session)
        try:
            client.retry(job.attempt)
        except RegistryError:
            _check_source(source.store, descriptor, content)
            raise
    size = descriptor.size
    client.report(Transfer("push", descriptor.digest, size, size, finished=True))
    return Moved.UPLOADED


def mount(
    client: Client, repository: str, descriptor: Descriptor, source: str
) -> tuple[bool, "_Session | None"]:
    """Mount a blob from another repository; else maybe the upload that was begun instead.

    Whatever the registry refuses here is no failure: the blob can be uploaded.
    """
    query = f"?mount={descriptor.digest}&from={source}"
    try:
        answer, _ = client.request(
            Request(
                "POST",
                client.url(repository, "blobs", "uploads", query),
                (
                    push_scope(repository),
                    pull_scope(source),
                ),
                f"mounting blob {descriptor.digest} from {source}",
                frozenset({CREATED, ACCEPTED}),
            )
        )
    except RegistryError:
        return False, None
    if answer.status == CREATED:
        return True, None
    return False, _session(client, answer)


def _check_source(store: BlobStore, descriptor: Descriptor, content: BinaryIO) -> None:
    """Where an upload failed: see whether our own bytes were wrong; ArchiveError if so."""
    content.seek(0)
    actual = hashlib.sha256()
    while chunk := content.read(CHUNK):
        actual.update(chunk)
    if actual.hexdigest() != digests.hex_of(descriptor.digest):
        store.quarantine(descriptor.digest)
        raise ArchiveError(
            f"the stored blob {descriptor.digest} was damaged and has been set aside",
            hint="run the build again: what is missing is made anew",
        )


@dataclass(frozen=True, slots=True)
class _Session:
    """An upload that a registry has begun: where it goes on, and its smallest chunk in bytes."""

    location: str
    min_chunk: int = 0


def _session(client: Client, answer: Answer, min_chunk: int = 0) -> _Session:
    location = answer.location()
    if location is None:
        raise RegistryError(f"{client.registry}: the registry began an upload, but not where")
    stated = answer.headers.get("OCI-Chunk-Min-Length", "")
    return _Session(
        client.transport.check(location), int(stated) if stated.isdigit() else min_chunk
    )


class _Upload:
    """The state of an upload between its attempts."""

    def __init__(
        self,
        client: Client,
        repository: str,
        descriptor: Descriptor,
        content: BinaryIO,
        session: _Session | None,
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

    def _begin(self) -> _Session:
        url = self._client.url(self._repository, "blobs", "uploads", "")
        request = Request("POST", url, self._scopes, self._what, frozenset({ACCEPTED}))
        with self._client.once(request) as answer:
            return _session(self._client, answer)

    def _ask_status(self, session: _Session) -> _Session | None:
        """Ask how much of the upload has arrived; None where it has to begin anew."""
        request = Request(
            "GET",
            session.location,
            self._scopes,
            f"{self._what}: asking how much has arrived",
            frozenset({NO_CONTENT, NOT_FOUND}),
        )
        with self._client.once(request) as answer:
            last = answer.headers.get("Range", "").removeprefix("bytes=").partition("-")[2]
            # "0-0" says one byte, or none: not worth telling apart.
            if answer.status == NOT_FOUND or not last.isdigit() or int(last) == 0:
                return None
            self._offset = min(int(last) + 1, self._descriptor.size)
            if answer.headers.get("Location"):
                return _session(self._client, answer, session.min_chunk)
            return session

    def _patch_rest(self, session: _Session, chunk: int) -> _Session:
        size = self._descriptor.size
        while self._offset < size:
            end = min(self._offset + chunk, size)
            span = {"Content-Range": f"{self._offset}-{end - 1}"}
            with self._send("PATCH", session.location, (self._offset, end), span) as answer:
                session = self._session = _session(self._client, answer, session.min_chunk)
                arrived = answer.headers.get("Range", "").partition("-")[2]
            if arrived.isdigit() and int(arrived) + 1 < end:
                raise self._again("a chunk was cut")
            self._offset = end
        return session

    def _finish(self, session: _Session) -> None:
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
