"""A proxy in front of a server that counts what goes through it, as it is on the wire."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Counter:
    """Bytes of both directions so far, and the request lines (of one segment each) seen."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.bytes = 0
        self.requests: list[str] = []
        self._lock = threading.Lock()

    def count(self, data: bytes, *, up: bool) -> None:
        with self._lock:
            self.bytes += len(data)
            line = data.partition(b"\r\n")[0]
            if up and line.endswith(b" HTTP/1.1"):
                self.requests.append(line.decode().removesuffix(" HTTP/1.1"))

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"


@contextlib.contextmanager
def counting_proxy(target: int) -> Iterator[Counter]:
    """Forward a free port of the loopback to another one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counter = Counter(int(listener.getsockname()[1]))
        connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                server = socket.create_connection(("127.0.0.1", target))
                connections.extend((client, server))
                for source, sink, up in ((client, server, True), (server, client, False)):
                    threading.Thread(target=pump, args=(source, sink, up), daemon=True).start()

        def pump(source: socket.socket, sink: socket.socket, up: bool) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    counter.count(data, up=up)
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield counter
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                connection.close()
            thread.join()
