"""A real nginx with DAV as an HTTP cache, as docs say how to set one up."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.machine import find
from tests.support.registry import free_port, wait_for_port

_CONFIGURATION = """
daemon off;
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 1g;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            root {directory}/data;
            dav_methods PUT;
            create_full_put_path on;
        }}
    }}
}}
"""


@dataclass(frozen=True)
class NginxServer:
    port: int
    directory: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def requests(self) -> list[str]:
        """Return the request lines so far."""
        lines = (self.directory / "access.log").read_text().splitlines()
        return [line.split('"')[1] for line in lines]


@contextmanager
def nginx_server(directory: Path) -> Iterator[NginxServer]:
    binary, port = find("nginx"), free_port()
    assert binary is not None
    (directory / "data").mkdir(parents=True)
    (directory / "error.log").touch()
    user = "user root;" if os.geteuid() == 0 else ""
    text = _CONFIGURATION.format(directory=directory, port=port, user=user)
    (directory / "nginx.conf").write_text(text)
    command = [binary, "-c", str(directory / "nginx.conf"), "-e", str(directory / "error.log")]
    with subprocess.Popen(command) as process:
        try:
            wait_for_port(port, process, directory / "error.log")
            yield NginxServer(port, directory)
        finally:
            process.terminate()
            process.wait()
