"""An upload that begins before its blob is whole, while a layer is being compressed.

What Docker's own push does (distribution spec, "Pushing blobs"; the PATCH has no length): POST, one
PATCH with all bytes, PUT with the digest, which is known last.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from mkbuild.errors import CancelledError, RegistryError
from mkbuild.oci.model import Descriptor
from mkbuild.registry.answer import CHUNK, Answer
from mkbuild.registry.client import ACCEPTED, CREATED, NO_CONTENT, Client, Request, push_scope
from mkbuild.registry.upload import exists, session_of
from mkbuild.store.growth import Whole
from mkbuild.store.protocol import Follower

_WORTH_ASKING = 4 << 20
"""So many bytes are to be sent yet when the digest becomes known: the registry may have them."""


def can_stream(client: Client) -> bool:
    """Whether a registry's settings ask for nothing that needs the size first."""
    return not (client.settings.push_chunk or client.settings.push_rate)


def stream(
    client: Client, repository: str, follower: Follower, stop: Callable[[], bool]
) -> tuple[Whole, bool]:
    """Send a blob to its end, in one attempt; False where the repository turned out to have it.

    Raises RegistryError; CancelledError where the blob was given up, or ``stop`` says so.
    """
    return _Stream(client, repository, follower, stop).run()


class _Stream:
    def __init__(
        self, client: Client, repository: str, follower: Follower, stop: Callable[[], bool]
    ) -> None:
        self._client = client
        self._repository = repository
        self._follower = follower
        self._stop = stop
        self._what = f"uploading a layer to {repository}"
        self._whole: Whole | None = None
        self._is_there = False

    def run(self) -> tuple[Whole, bool]:
        url = self._client.url(self._repository, "blobs", "uploads", "")
        with self._send("POST", url, ACCEPTED) as answer:
            session = session_of(self._client, answer)
        if session.min_chunk:
            raise RegistryError(f"{self._client.registry}: it wants chunks")
        with self._send("PATCH", session.location, ACCEPTED, self._body) as answer:
            location = session_of(self._client, answer).location
        whole = self._whole
        if whole is None or self._is_there:
            with suppress(RegistryError):  # it ends by itself, only later
                self._send("DELETE", location, NO_CONTENT).close()
            if whole is None:
                raise CancelledError("the layer was given up")
            return whole, False
        joint = "&" if urlsplit(location).query else "?"
        with self._send(
            "PUT", f"{location}{joint}digest={whole.digest}", CREATED, lambda: b""
        ) as answer:
            stated = answer.headers.get("Docker-Content-Digest")
        if stated and stated != whole.digest:
            raise RegistryError(f"{self._client.registry}: {self._what}: stored as {stated[:100]}")
        return whole, True

    def _send(
        self, method: str, url: str, expect: int, body: Callable[[], object] = lambda: None
    ) -> Answer:
        headers = {"Content-Type": "application/octet-stream"} if method in {"PATCH", "PUT"} else {}
        scopes = (push_scope(self._repository),)
        request = Request(method, url, scopes, self._what, frozenset({expect}), headers)
        return self._client.once(request, body)

    def _body(self) -> Iterator[bytes]:
        """Yield what is written; end sooner, so that the upload can be ended, where it is vain."""
        offset, asked, growth = 0, False, self._follower.growth
        self._whole, self._is_there = None, False
        while data := self._follower.read(offset, CHUNK):
            if self._stop():
                return
            yield data
            offset += len(data)
            whole = growth.whole
            if whole is not None and not asked and whole.size - offset > _WORTH_ASKING:
                asked = True
                descriptor = Descriptor("application/octet-stream", whole.digest, whole.size)
                self._is_there = exists(self._client, self._repository, descriptor)
                if self._is_there:
                    break
        self._whole = growth.whole
