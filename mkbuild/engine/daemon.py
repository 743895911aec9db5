"""Images handed to a container daemon: ``POST /images/load`` of docker's API, which podman speaks.

See Docker Engine API, "Import images"; both daemons answer with JSON lines, of which one may hold
an ``error``.
"""

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

from mkbuild.errors import PublishError, UsageError

_SECONDS = 300.0
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")


def address(given: str | None, env: Mapping[str, str]) -> str:
    """Return where the daemon is: as given, as DOCKER_HOST says, or the first socket there is."""
    stated = given or env.get("DOCKER_HOST")
    if stated:
        return stated
    own = env.get("XDG_RUNTIME_DIR")
    sockets = [*_SOCKETS, *([f"{own}/podman/podman.sock", f"{own}/docker.sock"] if own else [])]
    found = next((path for path in sockets if Path(path).is_socket()), _SOCKETS[0])
    return f"unix://{found}"


def load(place: str, archive: BinaryIO) -> str:
    """Send an archive in docker's format; returns what the daemon says. Raises PublishError."""
    connection = _connection(place)
    try:
        headers = {"Content-Type": "application/x-tar", "Host": "localhost"}
        connection.request("POST", "/images/load?quiet=1", archive, headers, encode_chunked=True)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        message = f"cannot hand the image to {place}: {error}"
        raise PublishError(message, hint="is it running? name another: --docker-host") from error
    finally:
        connection.close()
    failure = _failure(text) if answer.status == http.client.OK else text.strip()
    if failure:
        raise PublishError(f"{place} did not take the image: {failure}")
    return text.strip()


def _failure(text: str) -> str:
    """Return the error among the JSON lines of an answer; empty where there is none."""
    for line in text.splitlines():
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and document.get("error"):
            return str(document["error"])
    return ""


def _connection(place: str) -> http.client.HTTPConnection:
    parts = urlsplit(place if "://" in place else f"unix://{place}")
    match parts.scheme:
        case "unix":
            return _UnixConnection(parts.path)
        case "tcp" | "http":
            return http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
        case _:
            raise UsageError(
                f"--docker-host {place}: it cannot be reached that way",
                hint="unix:///var/run/docker.sock or tcp://HOST:PORT",
            )


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))
