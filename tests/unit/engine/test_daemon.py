import http.server
import io
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mkbuild.engine import daemon
from mkbuild.errors import PublishError, UsageError

LOADED = b'{"stream":"Loaded image: app:1\\n"}\n'


class _Server(socketserver.ThreadingUnixStreamServer):
    answer = (200, LOADED)
    received = b""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server  # type: ignore[mutable-override]

    def do_POST(self) -> None:
        assert self.path.startswith("/images/load")
        while size := int(self.rfile.readline(), 16):
            self.server.received += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        status, text = self.server.answer
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return "unix"


@contextmanager
def serving(path: Path, status: int, text: bytes) -> Iterator[_Server]:
    with _Server(str(path), _Handler) as server:
        server.answer = (status, text)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_an_archive_reaches_the_daemon(tmp_path: Path) -> None:
    archive = b"x" * 3_000_000
    with serving(tmp_path / "s", 200, LOADED) as server:
        assert "Loaded" in daemon.load(f"unix://{tmp_path}/s", io.BytesIO(archive))
    assert server.received == archive


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, b'{"message":"no space"}'), (200, b'{"stream":"a"}\n{"error":"no space"}\n')],
)
def test_a_daemon_that_refuses(tmp_path: Path, status: int, text: bytes) -> None:
    with (
        serving(tmp_path / "s", status, text),
        pytest.raises(PublishError, match="no space"),
    ):
        daemon.load(str(tmp_path / "s"), io.BytesIO(b"x"))


def test_no_daemon(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="cannot hand"):
        daemon.load(f"unix://{tmp_path}/none", io.BytesIO(b""))
    with pytest.raises(UsageError):
        daemon.load("ssh://host", io.BytesIO(b""))


def test_where_the_daemon_is(tmp_path: Path) -> None:
    assert daemon.address("tcp://given:1", {"DOCKER_HOST": "tcp://other:1"}) == "tcp://given:1"
    assert daemon.address(None, {"DOCKER_HOST": "tcp://other:1"}) == "tcp://other:1"
    assert daemon.address(None, {"XDG_RUNTIME_DIR": str(tmp_path)}).startswith("unix://")
