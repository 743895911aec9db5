"""A real redis-server for tests, on a free port of the loopback, keeping nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.registry import Certificates, free_port, wait_for_port


@dataclass(frozen=True)
class RedisServer:
    port: int
    process: subprocess.Popen[bytes]
    scheme: str

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}/0"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def redis_server(
    directory: Path, password: str = "", tls: Certificates | None = None
) -> Iterator[RedisServer]:
    directory.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), directory / "redis.log"
    command = ["redis-server", "--bind", "127.0.0.1", "--save", ""]
    if tls is None:
        command += ["--port", str(port)]
    else:
        command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
        command += ["--tls-cert-file", str(tls.cert), "--tls-key-file", str(tls.key)]
        command += ["--tls-ca-cert-file", str(tls.ca)]
    command += ["--dir", str(directory), "--logfile", str(log)]
    if password:
        command += ["--requirepass", password]
    with subprocess.Popen(command) as process:
        try:
            wait_for_port(port, process, log)
            yield RedisServer(port, process, "redis" if tls is None else "rediss")
        finally:
            process.kill()
