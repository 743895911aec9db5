"""A real registry for tests: Debian's docker-registry on a free port of the loopback.

``with RealRegistry(tmp_path) as registry: …  registry.address`` (``localhost:PORT``).
"""

import http.client
import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

HTPASSWD = "alice:$2b$04$abcdefghijklmnopqrstuujZkTwHUiJ9XdZPwKfcfDo7dMp5DjlTu\n"
USER, PASSWORD = "alice", "wonderland"
_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{root}"}}
  delete: {{enabled: true}}
http:
  addr: "127.0.0.1:{port}"
  secret: tests
{extra}
"""


def available() -> bool:
    """Whether docker-registry is installed."""
    return shutil.which("docker-registry") is not None


@dataclass(frozen=True)
class Certificates:
    """PEM files of an authority, of a server (localhost) and of a client that it signed."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


class RealRegistry:
    """A docker-registry process; ``address`` is what references name."""

    def __init__(
        self,
        directory: Path,
        *,
        password: bool = False,
        tls: Certificates | None = None,
        client_certificate: bool = False,
    ) -> None:
        self.directory = directory
        self.tls = tls
        self._process: subprocess.Popen[bytes] | None = None
        self._password = password
        self._client_certificate = client_certificate
        self.port = 0

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def storage(self) -> Path:
        return self.directory / "storage"

    def _write_config(self) -> Path:
        extra = ""
        if self.tls is not None:
            extra += f"  tls: {{certificate: '{self.tls.cert}', key: '{self.tls.key}'"
            if self._client_certificate:
                extra += f", clientcas: ['{self.tls.ca}']"
            extra += "}\n"
        if self._password:
            (self.directory / "htpasswd").write_text(HTPASSWD)
            extra += f"auth:\n  htpasswd: {{realm: r, path: '{self.directory / 'htpasswd'}'}}\n"
        config = self.directory / "config.yml"
        config.write_text(_CONFIG.format(root=self.storage, port=self.port, extra=extra))
        return config

    def __enter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self._write_config())],
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
            )
        wait_for_port(self.port, self._process, self.directory / "log")
        return self

    def garbage_collect(self) -> str:
        """Run the registry's own garbage collection."""
        command = ["docker-registry", "garbage-collect", str(self.directory / "config.yml")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


def free_port() -> int:
    """Return a port of the loopback that nobody uses."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server accepts connections; fails with its log where it ends before."""
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended: {log.read_text()[-2000:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)


def make_certificates(directory: Path) -> Certificates:
    """Make an authority, a server certificate for localhost and a client certificate."""
    directory.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)

    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2",
        "-subj", "/CN=test authority",
    )  # fmt: skip
    for name, subject, extension in (
        ("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        ("client", "/CN=client", "extendedKeyUsage=clientAuth"),
    ):
        openssl(
            "req", "-x509", *curve, "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", subject, "-CA", "ca.pem", "-CAkey", "ca.key",
            "-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE",
        )  # fmt: skip
    return Certificates(
        directory / "ca.pem",
        directory / "server.pem",
        directory / "server.key",
        directory / "client.pem",
        directory / "client.key",
    )


def get(registry: RealRegistry, path: str) -> tuple[int, bytes]:
    """Ask a registry with nothing of ours in between."""
    connection = (
        http.client.HTTPConnection("localhost", registry.port)
        if registry.tls is None
        else http.client.HTTPSConnection(
            "localhost",
            registry.port,
            context=ssl.create_default_context(cafile=str(registry.tls.ca)),
        )
    )
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
