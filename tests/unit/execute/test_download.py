import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from mkbuild.errors import PullError, StepError
from mkbuild.execute.download import download, name_of, refuse_downgrade
from mkbuild.execute.filestep import Inputs, Times, fetch, key_part, perform, remote_sources
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import FILE
from mkbuild.location import Location
from mkbuild.plan.actions import AddStep
from tests.unit.execute.test_archive import member, tar
from tests.unit.execute.trees import shown

BODY = b"downloaded"
SHA256, SHA512 = hashlib.sha256(BODY).hexdigest(), hashlib.sha512(BODY).hexdigest()


class Handler(BaseHTTPRequestHandler):
    seen: list[dict[str, str]]

    def do_GET(self) -> None:
        type(self).seen.append({"path": self.path, **dict(self.headers)})
        match self.path.split("?")[0]:
            case "/missing":
                self.send_error(404)
            case "/away":
                port = self.headers["Host"].partition(":")[2]
                self.answer(302, b"", {"Location": f"http://localhost:{port}/there"})
            case "/redirect":
                self.answer(302, b"", {"Location": "/file"})
            case "/short":
                self.answer(200, BODY, {"Content-Length": "100"})
            case "/tar.gz":
                self.answer(200, tar(member("a")), {})
            case "/dated":
                modified = {"Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT", "ETag": '"v1"'}
                self.answer(200, BODY, modified)
            case _:
                self.answer(200, BODY, {})

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def handler() -> type[Handler]:
    return type("Fresh", (Handler,), {"seen": []})


@pytest.fixture
def server(handler: type[Handler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def add(source: str, dest: str, scratch: Path, **flags: Any) -> Diff:
    step = AddStep(Location("Dockerfile", 4), (source,), dest, **flags)
    (scratch / "fetched").mkdir()
    (scratch / "work").mkdir()
    remotes = {url: fetch(step, url, scratch / "fetched") for url in remote_sources(step)}
    inputs = Inputs(remotes=remotes)
    key_part(step, inputs)
    return perform(step, Index(), inputs, Times(9000), scratch / "work")


@pytest.mark.parametrize(
    ("path", "dest", "expected"),
    [
        ("/file", "/", ["f 600 0:0 file"]),
        ("/a/file?x=y#z", "/n/", ["d 755 0:0 n", "f 600 0:0 n/file"]),
        ("/file", "/n", ["f 600 0:0 n"]),
        ("/redirect", "/", ["f 600 0:0 redirect"]),
        ("/", "/n/", ["d 755 0:0 n", "f 600 0:0 n/__unnamed__"]),
        ("/tar.gz", "/", ["f 600 0:0 tar.gz"]),
        ("/b%5B1%5D", "/", ["f 600 0:0 b[1]"]),
    ],
)
def test_a_url_is_one_file(
    server: str, tmp_path: Path, path: str, dest: str, expected: list[str]
) -> None:
    assert shown(add(server + path, dest, tmp_path)) == expected


def test_flags(server: str, tmp_path: Path) -> None:
    diff = add(server + "/f", "/n/", tmp_path, chown="5", chmod="644")
    assert shown(diff) == ["d 644 5:5 n", "f 644 5:5 n/f"]


def test_unpacking_is_asked_for(server: str, tmp_path: Path) -> None:
    assert shown(add(server + "/tar.gz", "/n", tmp_path, unpack=True)) == [
        "d 755 0:0 n",
        "f 644 0:0 n/a",
    ]


def test_a_file_is_as_old_as_the_server_says(server: str, tmp_path: Path) -> None:
    (entry,) = add(server + "/dated", "/", tmp_path).toc.entries
    assert entry.mtime == 1700000000
    fetched = download(server + "/dated", None, tmp_path)
    assert fetched.etag == '"v1"'
    (tmp_path / "other").mkdir()
    undated = download(server + "/file", None, tmp_path / "other")
    assert [found.entry.mtime for found in undated.index.walk() if found.entry.type == FILE] == [0]


@pytest.mark.parametrize("checksum", [f"sha256:{SHA256}", f"sha512:{SHA512}"])
def test_a_checksum_is_checked(server: str, tmp_path: Path, checksum: str) -> None:
    diff = add(server + "/f", "/", tmp_path, checksum=checksum)
    assert diff.toc.entries[0].content == hashlib.sha256(BODY).digest()


@pytest.mark.parametrize(
    ("path", "checksum", "message"),
    [
        ("/f", "sha256:" + "0" * 64, f"digest mismatch .* it is sha256:{SHA256}"),
        ("/f", SHA256, "invalid checksum digest format"),
        ("/f", "md5:" + "0" * 32, "invalid checksum digest format"),
        ("/missing", None, "/missing: 404"),
        ("/short", None, "/short: "),
    ],
)
def test_errors_say_where(
    server: str, tmp_path: Path, path: str, checksum: str | None, message: str
) -> None:
    kind = PullError if checksum is None else StepError
    with pytest.raises(kind, match=message) as caught:
        add(server + path, "/", tmp_path, checksum=checksum)
    assert caught.value.location == Location("Dockerfile", 4)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PullError, match=r"127\.0\.0\.1:1/x: .*refused") as caught:
        download("http://user:secret@127.0.0.1:1/x", None, tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("location", "refused"),
    [("http://other/x", True), ("HTTP://h/x", True), ("https://other/x", False), ("/x", False)],
)
def test_encryption_is_not_given_up(location: str, *, refused: bool) -> None:
    answer = requests.Response()
    answer.url, answer.status_code = "https://user:secret@h/x", 302
    answer.headers["Location"] = location
    if not refused:
        refuse_downgrade(answer)
        return
    with pytest.raises(PullError, match="not encrypted") as caught:
        refuse_downgrade(answer)
    assert "secret" not in str(caught.value)


def test_nobodys_netrc_is_sent(
    server: str, handler: type[Handler], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    download(server + "/away", None, tmp_path)
    assert sent(handler) == [("/away", None), ("/there", None)]


def test_credentials_of_a_url_stay_with_its_host(
    server: str, handler: type[Handler], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    own = server.replace("//", "//me:secret@")
    download(own + "/redirect", None, tmp_path)
    download(own + "/away", None, tmp_path / "other")
    basic = "Basic bWU6c2VjcmV0"
    assert sent(handler) == [
        ("/redirect", basic), ("/file", basic), ("/away", basic), ("/there", None)
    ]  # fmt: skip


def sent(handler: type[Handler]) -> list[tuple[str, str | None]]:
    return [(headers["path"], headers.get("Authorization")) for headers in handler.seen]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/a/b.tar", "b.tar"),
        ("http://h/a/b/", "b"),
        ("http://h", "__unnamed__"),
        ("http://h/a/..", "__unnamed__"),
        ("http://h/a%2Fb", "b"),
        ("http://h/%2e%2e", "__unnamed__"),
        ("http://h/x?y=/z", "x"),
    ],
)
def test_names(url: str, name: str) -> None:
    assert name_of(url) == name


def test_a_name_that_is_none() -> None:
    with pytest.raises(StepError, match="cannot be a file's"):
        name_of("http://h/a%00b")
