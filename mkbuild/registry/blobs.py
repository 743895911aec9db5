"""Blobs of a registry: streamed download with resume, upload in one piece or in chunks."""

import hashlib
from collections.abc import Callable, Sequence
from enum import Enum
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.events import Transfer
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor
from mkbuild.registry.answer import CHUNK
from mkbuild.registry.client import (
    ACCEPTED,
    CREATED,
    OK,
    PARTIAL,
    Client,
    Request,
    pull_scope,
    push_scope,
)
from mkbuild.registry.download import Download
from mkbuild.registry.upload import Session, Upload, exists, session_of
from mkbuild.store.protocol import BlobSink, BlobStore

__all__ = ["BlobSource", "Moved", "download", "exists", "mount", "push"]


class Moved(Enum):
    """How a blob got into a repository."""

    EXISTED = "existed"
    MOUNTED = "mounted"
    UPLOADED = "uploaded"


def download(
    client: Client, repository: str, descriptor: Descriptor, into: BlobSink, url: str = ""
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
        job = Download(client, request, descriptor, blob, what)
        client.retry(job.attempt)
        try:
            blob.commit(descriptor.digest)
        except ArchiveError as error:
            raise RegistryError(f"{client.registry}: {what}: {error.message}") from error
    job.show(finished=True)


@frozen
class BlobSource:
    """Where a blob comes from: repositories to mount it from, else the store.

    ``provide`` is called where it must be uploaded and the store lacks it. ``new``: the repository
    cannot have it yet, and is not asked.
    """

    store: BlobStore
    mount_from: Sequence[str] = ()
    provide: Callable[[Descriptor], None] = lambda _: None
    new: bool = False


def push(client: Client, repository: str, descriptor: Descriptor, source: BlobSource) -> Moved:
    """Bring a blob into a repository: found there, mounted from another one, or uploaded.

    Raises RegistryError; KeyError where the blob has to be uploaded and is not to be had.
    """
    session = None
    others = [other for other in source.mount_from if other != repository]
    # A mount takes one request, whether the repository has the blob already or not.
    for other in others:
        mounted, session = mount(client, repository, descriptor, other)
        if mounted:
            return Moved.MOUNTED
    if not source.new and exists(client, repository, descriptor):
        return Moved.EXISTED
    if not source.store.has(descriptor.digest):
        source.provide(descriptor)
    with source.store.open(descriptor.digest) as content:
        job = Upload(client, repository, descriptor, content, session)
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
) -> tuple[bool, "Session | None"]:
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
    return False, session_of(client, answer)


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
