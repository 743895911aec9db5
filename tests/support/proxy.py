"""A TCP proxy for tests: counts the bytes that pass, and cuts connections where it is told to."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """Stands before a server on this machine; ``address`` is ``localhost:PORT``.

    ``sent`` and ``received`` count bytes from and to clients. ``cut(n)`` cuts the next connection
    that has carried ``n`` bytes from its client; may be called several times, one cut each.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._cuts: list[int] = []
        self._open: set[socket.socket] = set()
        self.sent = 0
        self.received = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def cut(self, after: int) -> None:
        with self._lock:
            self._cuts.append(after)

    def reset_counts(self) -> None:
        with self._lock:
            self.sent = self.received = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in list(self._open):
            self._end(connection)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._open |= {client, server}
                for source, sink, up in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._carry, args=(source, sink), kwargs={"up": up}, daemon=True
                    ).start()

    def _carry(self, source: socket.socket, sink: socket.socket, *, up: bool) -> None:
        carried = 0
        with suppress(OSError):
            while data := source.recv(16384):
                carried += len(data)
                self._count(len(data), up=up)
                if up and self._cuts_here(carried):
                    break
                sink.sendall(data)
        self._end(source)
        self._end(sink)

    def _count(self, size: int, *, up: bool) -> None:
        with self._lock:
            if up:
                self.sent += size
            else:
                self.received += size

    def _cuts_here(self, carried: int) -> bool:
        with self._lock:
            if self._cuts and carried >= self._cuts[0]:
                self._cuts.pop(0)
                return True
            return False

    def _end(self, connection: socket.socket) -> None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
        with self._lock:
            self._open.discard(connection)
