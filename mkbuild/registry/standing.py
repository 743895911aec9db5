"""Whether tags still stand for what was pushed, asked with as little as it takes.

A push that finds nothing to do sends one HEAD for each tag. The client that pushes is built on
requests, which takes longer to load than all else that such a build does. So plain HTTP registries
that ask for no login, those of this machine, are asked here, all questions in one write: an answer
to HEAD has no body, and answers come in order (RFC 9112, 9.3.2). Whatever is not the plainest
answer is no: the client then asks again, and knows about redirects, logins and failures.
"""

import _socket  # the module around it imports enum and selectors, which takes 7 ms

from mkbuild import __version__
from mkbuild.oci import mediatype

TYPE_CHECKING = False  # typing takes 10 ms
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

_TIMEOUT = 5.0
_LONGEST_ANSWER = 1 << 16
_BATCH = 64
"""Questions that are under way at a time: so many fit into any socket's buffers."""


Tag = tuple[str, str, str, str]
"""A registry (``host:port``, plain HTTP), a repository and a tag, and the digest it should have."""


class Asking:
    """Questions that are on their way: whoever asks can do something else before the answers."""

    def __init__(self, tags: "Sequence[Tag]") -> None:
        """Send the first questions to each registry."""
        by_registry: dict[str, list[Tag]] = {}
        for tag in tags:
            by_registry.setdefault(tag[0], []).append(tag)
        self._asked: list[tuple[_socket.socket, list[Tag]]] = []
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

    def __enter__(self) -> "Self":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        for connection, _asked in self._asked:
            connection.close()


def _connect(registry: str) -> _socket.socket:
    """Connect to a registry, at the first of its addresses that answers; raises OSError."""
    host, _, port = registry.rpartition(":") if registry[-1] != "]" else (registry, "", "")
    if not port.isdigit():
        host, port = registry, "80"
    failure = OSError()
    # As bytes: a name that is text goes through a codec that has to be imported.
    name = host.strip("[]").encode("idna" if not host.isascii() else "ascii")
    for family, kind, protocol, _, address in _socket.getaddrinfo(
        name, int(port), 0, _socket.SOCK_STREAM
    ):
        connection = _socket.socket(family, kind, protocol)
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(address)
        except OSError as error:
            connection.close()
            failure = error
        else:
            return connection
    raise failure


def _send(connection: _socket.socket, tags: "Sequence[Tag]") -> None:
    connection.sendall(b"".join(map(_question, tags)))


def _stand(connection: _socket.socket, tags: "Sequence[Tag]") -> bool:
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
            if not _says(answer, tag[3]):
                return False
    return True


def _question(tag: Tag) -> bytes:
    registry, repository, name, _ = tag
    accept = ", ".join(sorted(mediatype.MANIFESTS | mediatype.INDEXES))
    return (
        f"HEAD /v2/{repository}/manifests/{name} HTTP/1.1\r\nHost: {registry}\r\n"
        f"User-Agent: mkbuild/{__version__}\r\nAccept: {accept}\r\n\r\n"
    ).encode()


def _says(answer: bytes, digest: str) -> bool:
    status, *lines = answer.split(b"\r\n")
    if status.split(b" ")[:2] != [b"HTTP/1.1", b"200"]:
        return False
    headers = {line.partition(b":")[0].lower(): line.partition(b":")[2].strip() for line in lines}
    return headers.get(b"docker-content-digest") == digest.encode()
