"""A real redis-server for tests, on a free port of the loopback, keeping nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.registry import free_port, wait_for_port


@dataclass(frozen=True)
class RedisServer:
    port: int
    process: subprocess.Popen[bytes]
    password: str

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def redis_server(directory: Path, password: str = "") -> Iterator[RedisServer]:
    directory.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), directory / "redis.log"
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += ["--dir", str(directory), "--logfile", str(log)]
    if password:
        command += ["--requirepass", password]
    with subprocess.Popen(command) as process:
        try:
            wait_for_port(port, process, log)
            yield RedisServer(port, process, password)
        finally:
            process.kill()
