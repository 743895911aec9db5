"""A registry within the test process, whose answers can be made to fail in every way.

``FakeRegistry`` is a small but working registry. ``fail(method, pattern, fault)`` makes the next
matching request go wrong; ``requests`` lists what was asked.
"""

import base64
import hashlib
import io
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

Fault = Callable[["Handler"], None]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Tokens:
    """Asks for bearer tokens, which ``realm`` (by default the registry itself) hands out.

    ``users``: name → password; without a name only pull is granted. ``identity``: refresh tokens.
    """

    realm: str = ""
    users: dict[str, str] = field(default_factory=dict)
    identity: set[str] = field(default_factory=set)
    expires_in: int = 300
    anonymous: bool = True
    granted: dict[str, list[str]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    answer: bytes | None = None


class FakeRegistry:
    """Starts on enter; ``address`` is ``localhost:PORT``, ``other`` the same as another host."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[tuple[str, str], tuple[str, bytes]] = {}
        self.owned: set[tuple[str, str]] = set()
        self.uploads: dict[str, bytearray] = {}
        self.requests: list[Seen] = []
        self.connections = 0
        self.tokens: Tokens | None = None
        self.ranges = True
        self.digest_header = True
        self.referrers = False
        self.min_chunk = 0
        self.relative = False
        self.mounts = True
        self.upload_host = ""
        self._faults: list[tuple[str, str, Fault]] = []
        self._lock = threading.Lock()
        self._begun = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.registry = self  # type: ignore[attr-defined]
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def other(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, method: str, pattern: str, *faults: Fault) -> None:
        """Let the next requests that match fail, one fault each."""
        with self._lock:
            self._faults += [(method, pattern, fault) for fault in faults]

    def take_fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for entry in self._faults:
                if entry[0] == method and re.search(entry[1], path):
                    self._faults.remove(entry)
                    return entry[2]
        return None

    def note(self, seen: Seen) -> None:
        with self._lock:
            self.requests.append(seen)

    def new_upload(self) -> str:
        with self._lock:
            self._begun += 1
            self.uploads[f"u{self._begun}"] = bytearray()
            return f"u{self._begun}"

    def count(self, method: str, pattern: str) -> int:
        """How many requests matched."""
        return len(self.seen(method, pattern))

    def seen(self, method: str, pattern: str) -> list[Seen]:
        return [s for s in self.requests if s.method == method and re.search(pattern, s.path)]

    def add_blob(self, repository: str, data: bytes) -> str:
        digest = digest_of(data)
        self.blobs[digest] = data
        self.owned.add((repository, digest))
        return digest

    def add_manifest(self, repository: str, tag: str, data: bytes, kind: str) -> str:
        digest = digest_of(data)
        self.manifests[repository, digest] = self.manifests[repository, tag] = (kind, data)
        return digest


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    cut_after: int | None = None

    @property
    def registry(self) -> FakeRegistry:
        registry: FakeRegistry = self.server.registry  # type: ignore[attr-defined]
        return registry

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle(self) -> None:
        self.registry.connections += 1
        try:
            super().handle()
        except (ConnectionError, ValueError):
            self.close_connection = True  # the client went, or we cut the line

    def _dispatch(self) -> None:
        self.registry.note(Seen(self.command, self.path, dict(self.headers)))
        fault = self.registry.take_fault(self.command, self.path)
        if fault is not None:
            fault(self)
            return
        self.answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _dispatch  # noqa: N815 - http.server's names

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(
        self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = headers or {}
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: self.cut_after])
        if self.cut_after is not None:
            self.close_connection = True

    def error(self, status: int, code: str, message: str = "no") -> None:
        document = {"errors": [{"code": code, "message": message}]}
        self.send(status, json.dumps(document).encode())

    def reset(self) -> None:
        """Cut the line with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def answer(self) -> None:
        """Answer as a registry does."""
        url = urlsplit(self.path)
        if url.path == "/token":
            self._token(parse_qs(url.query))
            return
        if not self._authorized():
            return
        for pattern, method in _ROUTES:
            if found := re.fullmatch(pattern, url.path):
                getattr(self, method)(*found.groups())
                return
        self.body()
        self.error(404, "NOT_FOUND")

    # authorization

    def _authorized(self) -> bool:
        tokens = self.registry.tokens
        if tokens is None:
            return True
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        scopes = tokens.granted.get(value) if scheme == "Bearer" else None
        if scopes is not None and value not in tokens.revoked and self._covers(scopes):
            return True
        self.body()
        realm = tokens.realm or f"http://{self.registry.address}/token"
        challenge = f'Bearer realm="{realm}",service="fake",scope="{self._scope()}"'
        self.send_response(401)
        self.send_header("WWW-Authenticate", challenge)
        document = b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'
        self.send_header("Content-Length", str(len(document)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(document)
        return False

    def _scope(self) -> str:
        found = re.match(r"/v2/(.+?)/(?:blobs|manifests|tags|referrers)/", self.path)
        actions = "pull" if self.command in {"GET", "HEAD"} else "pull,push"
        return f"repository:{found[1] if found else '?'}:{actions}"

    def _covers(self, scopes: list[str]) -> bool:
        name, _, actions = self._scope().rpartition(":")
        return any(
            scope.rpartition(":")[0] == name
            and set(actions.split(",")) <= set(scope.rpartition(":")[2].split(","))
            for scope in scopes
        )

    def _token(self, query: dict[str, list[str]]) -> None:
        tokens = self.registry.tokens
        assert tokens is not None
        form = parse_qs(self.body().decode())
        scopes = query.get("scope") or form.get("scope", [""])[0].split()
        if tokens.answer is not None:
            self.send(200, tokens.answer)
            return
        if self.command == "POST":
            known = form.get("refresh_token", [""])[0] in tokens.identity
        else:
            known = self._known_user(tokens)
            if not known and (self.headers.get("Authorization") or not tokens.anonymous):
                self.error(401, "UNAUTHORIZED", "incorrect username or password")
                return
        if not known:
            scopes = [scope.replace("pull,push", "pull") for scope in scopes]
        value = f"token{len(tokens.granted)}"
        tokens.granted[value] = scopes
        self.send(200, json.dumps({"token": value, "expires_in": tokens.expires_in}).encode())

    def _known_user(self, tokens: Tokens) -> bool:
        scheme, _, value = (self.headers.get("Authorization") or "").partition(" ")
        if scheme != "Basic":
            return False
        name, _, password = base64.b64decode(value).decode().partition(":")
        return tokens.users.get(name) == password

    # resources

    def base(self) -> None:
        self.send(200, b"{}")

    def manifest(self, repository: str, reference: str) -> None:
        registry = self.registry
        if self.command == "PUT":
            data = self.body()
            digest = digest_of(data)
            kind = self.headers["Content-Type"]
            registry.manifests[repository, reference] = (kind, data)
            registry.manifests[repository, digest] = (kind, data)
            self.send(201, headers={"Docker-Content-Digest": digest})
            return
        found = registry.manifests.get((repository, reference))
        if found is None:
            self.error(404, "MANIFEST_UNKNOWN", "manifest unknown")
            return
        kind, data = found
        headers = {"Content-Type": kind, "Content-Length": str(len(data))}
        if registry.digest_header:
            headers["Docker-Content-Digest"] = digest_of(data)
        self.send(200, data, headers)

    def blob(self, repository: str, digest: str) -> None:
        registry = self.registry
        data = registry.blobs.get(digest)
        if data is None or (repository, digest) not in registry.owned:
            self.error(404, "BLOB_UNKNOWN", "blob unknown")
            return
        start = 0
        headers: dict[str, str] = {}
        wanted = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if wanted and registry.ranges:
            start = int(wanted[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        headers["Content-Length"] = str(len(data) - start)
        self.send(206 if start else 200, data[start:], headers)

    def begin(self, repository: str) -> None:
        registry = self.registry
        self.body()
        query = parse_qs(urlsplit(self.path).query)
        digest = query.get("mount", [""])[0]
        source = query.get("from", [""])[0]
        if registry.mounts and (source, digest) in registry.owned:
            registry.owned.add((repository, digest))
            self.send(201, headers={"Location": f"/v2/{repository}/blobs/{digest}"})
            return
        name = registry.new_upload()
        headers = {"Location": self.location(repository, name, 0)}
        if registry.min_chunk:
            headers["OCI-Chunk-Min-Length"] = str(registry.min_chunk)
        self.send(202, headers=headers)

    def location(self, repository: str, name: str, version: int) -> str:
        """Every answer names another place: only the latest one counts."""
        path = f"/v2/{repository}/blobs/uploads/{name}?state={version}"
        if self.registry.relative:
            return path
        return f"http://{self.registry.upload_host or self.registry.address}{path}"

    def upload(self, repository: str, name: str) -> None:
        registry = self.registry
        data = registry.uploads.get(name)
        query = parse_qs(urlsplit(self.path).query)
        if data is None:
            self.body()
            self.error(404, "BLOB_UPLOAD_UNKNOWN")
            return
        if self.command != "GET" and query.get("state") != [str(len(data))]:
            self.body()
            self.error(400, "STALE_LOCATION")
            return
        if self.command == "PATCH":
            start = int((self.headers.get("Content-Range") or "0-").partition("-")[0])
            part = self.body()
            if start != len(data):
                self.error(416, "RANGE_INVALID")
                return
            data += part
        if self.command == "PUT":
            data += self.body()
            if digest_of(bytes(data)) != query["digest"][0]:
                self.error(400, "DIGEST_INVALID", "provided digest did not match")
                return
            del registry.uploads[name]
            digest = registry.add_blob(repository, bytes(data))
            self.send(201, headers={"Docker-Content-Digest": digest})
            return
        headers = {
            "Location": self.location(repository, name, len(data)),
            "Range": f"0-{max(0, len(data) - 1)}",
        }
        self.send(204 if self.command == "GET" else 202, headers=headers)

    def tags(self, repository: str) -> None:
        """Two tags a page."""
        names = sorted(t for r, t in self.registry.manifests if r == repository and ":" not in t)
        last = parse_qs(urlsplit(self.path).query).get("last", [""])[0]
        page = [name for name in names if name > last][:2]
        headers = {}
        if page and page[-1] != names[-1]:
            headers["Link"] = f'</v2/{repository}/tags/list?last={page[-1]}>; rel="next"'
        self.send(200, json.dumps({"name": repository, "tags": page}).encode(), headers)

    def referrers(self, _repository: str, _digest: str) -> None:
        if not self.registry.referrers:
            self.error(404, "NOT_FOUND")
            return
        document = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
        self.send(200, document, {"Content-Type": "application/vnd.oci.image.index.v1+json"})


_ROUTES = (
    (r"/v2/", "base"),
    (r"/v2/(.+)/manifests/([^/]+)", "manifest"),
    (r"/v2/(.+)/blobs/uploads/", "begin"),
    (r"/v2/(.+)/blobs/uploads/([^/]+)", "upload"),
    (r"/v2/(.+)/blobs/([^/]+)", "blob"),
    (r"/v2/(.+)/tags/list", "tags"),
    (r"/v2/(.+)/referrers/([^/]+)", "referrers"),
)


# faults


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status; header names with ``_`` for ``-``."""

    def fault(handler: Handler) -> None:
        handler.body()
        handler.send(code, body, {name.replace("_", "-"): v for name, v in headers.items()})

    return fault


def denied(code: int, name: str, message: str) -> Fault:
    """Answer with a registry's error document."""
    body = json.dumps({"errors": [{"code": name, "message": message}]}).encode()
    return status(code, body)


def reset(handler: Handler) -> None:
    """Cut the line before any answer."""
    handler.reset()


def short(length: int) -> Fault:
    """Promise the whole body, send some bytes of it, and end the connection."""

    def fault(handler: Handler) -> None:
        handler.cut_after = length
        handler.answer()

    return fault


def cut_upload(length: int) -> Fault:
    """Take some bytes of an upload's body, keep them, and cut the line."""

    def fault(handler: Handler) -> None:
        name = urlsplit(handler.path).path.rpartition("/")[2]
        given = int(handler.headers.get("Content-Length") or 0)
        data = handler.rfile.read(min(length, given))
        if name in handler.registry.uploads:
            handler.registry.uploads[name] += data
        handler.reset()

    return fault


def lose_answer(handler: Handler) -> None:
    """Do what was asked, and cut the line instead of answering."""
    handler.send = lambda *_, **__: handler.reset()  # type: ignore[method-assign]
    handler.answer()


def trickle(length: int, pause: float, *, after: int = 0, chunked: bool = False) -> Fault:
    """Answer as always, but ``length`` bytes at a time with pauses (s), from byte ``after`` on.

    ``chunked``: each piece of the body as a chunk of its own.
    """

    def fault(handler: Handler) -> None:
        line, handler.wfile = handler.wfile, io.BytesIO()
        handler.answer()
        data = handler.wfile.getvalue()
        handler.wfile = line
        if chunked:
            data = _chunked(data, length)
        line.write(data[:after])
        with suppress(ConnectionError):  # who asked may have gone
            for start in range(after, len(data), length):
                line.write(data[start : start + length])
                time.sleep(pause)
        handler.close_connection = True

    return fault


def _chunked(answer: bytes, length: int) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    head = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head)
    parts = [body[at : at + length] for at in range(0, len(body), length)]
    return head + b"\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in [*parts, b""])
