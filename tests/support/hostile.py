"""Servers that misbehave, for caches to survive: garbage, silence, trickles."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket], None]


@contextlib.contextmanager
def hostile_server(behaviour: Behaviour) -> Iterator[int]:
    """Run a TCP server that treats each connection as told; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connections: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                threading.Thread(target=treat, args=[connection], daemon=True).start()

        def treat(connection: socket.socket) -> None:
            # The client giving up is what tests want to see.
            with contextlib.suppress(OSError):
                behaviour(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            thread.join()


def answering(data: bytes) -> Behaviour:
    """Answer everything with the same bytes."""

    def behave(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(data)

    return behave


def silent(connection: socket.socket) -> None:
    """Read all, answer nothing."""
    while connection.recv(65536):
        pass


def closing(connection: socket.socket) -> None:
    """Hang up at once."""
    connection.shutdown(socket.SHUT_RDWR)
