"""A forwarded agent: bytes both ways, owner and mode, and an end."""

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from mkbuild.execute.agent import forwarded


@contextmanager
def echo(path: Path, connections: int = 1) -> Iterator[str]:
    """Answer so many connections with what they send, in capitals."""

    def serve(listener: socket.socket) -> None:
        for _ in range(connections):
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data.upper())

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield str(path)
        thread.join()


def ask(path: Path, question: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(question)
        client.shutdown(socket.SHUT_WR)
        answer = b""
        while data := client.recv(1 << 16):
            answer += data
        return answer


@pytest.mark.root
def test_there_and_back(tmp_path: Path) -> None:
    with echo(tmp_path / "a", 2) as agent:
        with forwarded(agent, tmp_path / "s", owner=(1000, 50), mode=0o640):
            status = (tmp_path / "s").stat()
            assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (1000, 50, 0o640)
            assert ask(tmp_path / "s", b"question") == b"QUESTION"
            assert ask(tmp_path / "s", b"x" * 100_000) == b"X" * 100_000
        with pytest.raises(ConnectionRefusedError):
            ask(tmp_path / "s", b"question")


def test_who_is_connected_at_the_end_is_hung_up_on(tmp_path: Path) -> None:
    with echo(tmp_path / "a") as agent, socket.socket(socket.AF_UNIX) as client:
        with forwarded(agent, tmp_path / "s", owner=None, mode=0o600):
            client.connect(str(tmp_path / "s"))
            client.sendall(b"x")
            assert client.recv(1) == b"X"
        assert client.recv(1) == b""


def test_long_paths(tmp_path: Path) -> None:
    place = tmp_path / ("long" * 50)
    place.mkdir()
    with (
        echo(tmp_path / "a") as agent,
        forwarded(agent, place / "s", owner=None, mode=0o600),
    ):
        (tmp_path / "short").symlink_to(place)
        assert ask(tmp_path / "short" / "s", b"q") == b"Q"


def test_no_agent(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "none", tmp_path / "file"):
        with (
            pytest.raises(StepError, match="is no socket") as caught,
            forwarded(str(path), tmp_path / "s", owner=None, mode=0o600),
        ):
            pass
        assert caught.value.hint
