"""An ssh agent as a RUN finds it: a socket of the owner and mode asked for, forwarded to the agent.

The agent's own socket would not do: it is for the user of mkbuild alone, and OpenSSH's agent turns
away whoever else connects.
"""

import os
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mkbuild.errors import StepError

_CHUNK = 1 << 16


@contextmanager
def forwarded(
    agent: str, path: Path, *, owner: tuple[int, int] | None, mode: int
) -> Iterator[None]:
    """Let a new socket at ``path`` stand for an agent's, until the end of the context.

    ``owner``: uid and gid, None for one's own. StepError where the agent's socket is none.
    """
    try:
        there = stat.S_ISSOCK(Path(agent).stat().st_mode)
    except OSError:
        there = False
    if not there:
        hint = "eval $(ssh-agent); ssh-add KEY"
        raise StepError(f"ssh agent {agent!r} is no socket", hint=hint)
    forwarder = _Forwarder(agent)
    try:
        forwarder.listen(path)
        try:
            path.chmod(mode)
            if owner is not None:
                os.chown(path, *owner)
        except OSError as error:
            raise StepError(f"an ssh mount cannot be of {owner}: {error.strerror}") from error
        yield
    finally:
        forwarder.close()


class _Forwarder:
    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX)

    def listen(self, path: Path) -> None:
        directory = os.open(path.parent, os.O_PATH | os.O_CLOEXEC)
        try:
            # an address has room for 107 bytes
            self._listener.bind(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
        self._listener.listen()
        _start(self._accept)

    def _accept(self) -> None:
        with self._listener, suppress(OSError):  # close() ends the wait
            while True:
                client, _ = self._listener.accept()
                _start(self._forward, client)

    def _forward(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            with self._lock:
                if self._closed:
                    return
                self._open |= {client, server}
            # An agent that is gone is one that hangs up, to the command.
            with suppress(OSError):
                server.connect(self._agent)
                back = _start(_pump, server, client)
                _pump(client, server)
                back.join()
            with self._lock:
                self._open -= {client, server}

    def close(self) -> None:
        """Hang up; what runs no more asks nothing."""
        with self._lock:
            self._closed = True
            for end in (self._listener, *self._open):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _start(function: Callable[..., None], *arguments: socket.socket) -> threading.Thread:
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
