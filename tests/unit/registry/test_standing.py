"""Asking for tags in one write."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from mkbuild.registry.standing import Asking, Tag

DIGEST = "sha256:" + "1" * 64
GOOD = f"HTTP/1.1 200 OK\r\nContent-Length: 5\r\ndocker-content-digest: {DIGEST}\r\n\r\n".encode()


@contextmanager
def registry(answer: bytes, questions: list[bytes]) -> Iterator[str]:
    """Answer one connection: the same answer to each question, in whatever pieces they come."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):
            received = b""
            while data := connection.recv(1 << 16):
                received += data
                *whole, received = received.split(b"\r\n\r\n")
                questions.extend(whole)
                connection.sendall(answer * len(whole))
                if not answer:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def all_stand(tags: list[Tag]) -> bool:
    with Asking(tags) as asking:
        return asking.stand()


def ask(answer: bytes, count: int = 1) -> bool:
    with registry(answer, []) as host:
        return all_stand([(host, "acme/app", str(number), DIGEST) for number in range(count)])


@pytest.mark.parametrize("count", [1, 2, 64, 65, 200])
def test_tags_that_stand(count: int) -> None:
    questions: list[bytes] = []
    with registry(GOOD, questions) as host:
        tags = [(host, "acme/app", str(number), DIGEST) for number in range(count)]
        assert all_stand(tags)
    assert len(questions) == count
    first, *headers = questions[-1].decode().split("\r\n")
    assert first == f"HEAD /v2/acme/app/manifests/{count - 1} HTTP/1.1"
    assert f"Host: {host}" in headers


@pytest.mark.parametrize(
    "answer",
    [
        GOOD.replace(b"1111", b"2222"),
        GOOD.replace(b"200 OK", b"404 Not Found"),
        GOOD.replace(b"200 OK", b"401 Unauthorized"),
        GOOD.replace(b"200 OK", b"307 Temporary Redirect"),
        GOOD.replace(b"HTTP/1.1", b"HTTP/1.0"),
        GOOD.replace(b"docker-content-digest", b"etag"),
        b"\0" * (1 << 18),
        b"",
    ],
)
def test_all_else_is_no(answer: bytes) -> None:
    assert not ask(answer)
    assert not ask(answer, 3)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert not all_stand([(f"127.0.0.1:{port}", "a", "b", DIGEST)])
    assert all_stand([])
