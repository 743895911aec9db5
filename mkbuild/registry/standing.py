"""Whether tags still stand for what was pushed, asked with as little as it takes.

A push that finds nothing to do sends one HEAD for each tag. The client that pushes is built on
requests, which takes longer to load than all else that such a build does. So plain HTTP registries
that ask for no login, those of this machine, are asked here, all questions in one write: an answer
to HEAD has no body, and answers come in order (RFC 9112, 9.3.2). Whatever is not the plainest
answer is no: the client then asks again, and knows about redirects, logins and failures.
"""

import socket
from collections.abc import Sequence
from typing import NamedTuple, Self

from mkbuild import __version__
from mkbuild.oci import mediatype

_TIMEOUT = 5.0
_LONGEST_ANSWER = 1 << 16
_BATCH = 64
"""Questions that are under way at a time: so many fit into any socket's buffers."""


class Tag(NamedTuple):
    """A tag in a registry (``host:port``, plain HTTP), and the digest it should stand for."""

    registry: str
    repository: str
    tag: str
    digest: str


class Asking:
    """Questions that are on their way: whoever asks can do something else before the answers."""

    def __init__(self, tags: Sequence[Tag]) -> None:
        """Send the first questions to each registry."""
        by_registry: dict[str, list[Tag]] = {}
        for tag in tags:
            by_registry.setdefault(tag.registry, []).append(tag)
        self._asked: list[tuple[socket.socket, list[Tag]]] = []
        self._failed = False
        try:
            for registry, asked in by_registry.items():
                connection = _connect(registry)
                self._asked.append((connection, asked))
                _send(connection, asked[:_BATCH])
        except OSError:
            self._failed = True

    def stand(self) -> bool:
        """Whether every tag stands for its digest, as far as could be learned; once only."""
        try:
            return not self._failed and all(_stand(*asked) for asked in self._asked)
        except OSError:
            return False

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        for connection, _asked in self._asked:
            connection.close()


def _connect(registry: str) -> socket.socket:
    host, _, port = registry.rpartition(":") if registry[-1] != "]" else (registry, "", "")
    if not port.isdigit():
        host, port = registry, "80"
    return socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT)


def _send(connection: socket.socket, tags: Sequence[Tag]) -> None:
    connection.sendall(b"".join(map(_question, tags)))


def _stand(connection: socket.socket, tags: Sequence[Tag]) -> bool:
    for start in range(0, len(tags), _BATCH):
        batch = tags[start : start + _BATCH]
        if start:
            _send(connection, batch)
        received = b""
        for tag in batch:
            while b"\r\n\r\n" not in received:
                data = connection.recv(_LONGEST_ANSWER)
                if not data or len(received) > _LONGEST_ANSWER:
                    return False
                received += data
            answer, _, received = received.partition(b"\r\n\r\n")
            if not _says(answer, tag.digest):
                return False
    return True


def _question(tag: Tag) -> bytes:
    accept = ", ".join(sorted(mediatype.MANIFESTS | mediatype.INDEXES))
    return (
        f"HEAD /v2/{tag.repository}/manifests/{tag.tag} HTTP/1.1\r\nHost: {tag.registry}\r\n"
        f"User-Agent: mkbuild/{__version__}\r\nAccept: {accept}\r\n\r\n"
    ).encode()


def _says(answer: bytes, digest: str) -> bool:
    status, *lines = answer.split(b"\r\n")
    if status.split(b" ")[:2] != [b"HTTP/1.1", b"200"]:
        return False
    headers = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in lines}
    return headers.get(b"docker-content-digest") == digest.encode()
