"""The build's side of a RUN: starts the supervisor, passes on what it writes, waits for its end."""

import io
import marshal
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator

from mkbuild.errors import CancelledError, SandboxError
from mkbuild.frozen import frozen
from mkbuild.sandbox import launch, sealed
from mkbuild.sandbox.spec import Output, Relay, RunOutcome

_CHUNK = 1 << 16
_EPERM, _ENODEV, _ENOSPC, _ENOSYS = 1, 19, 28, 38

_HINTS = {
    _EPERM: "see 'mkbuild doctor': this machine withholds a right that the sandbox needs",
    _ENOSYS: "the sandbox needs Linux 5.12, or a container whose seccomp profile lets it mount",
    _ENODEV: "see 'mkbuild doctor': the kernel has no such file system",
    _ENOSPC: "a limit of the kernel's (sysctl user.max_*_namespaces, fs.mount-max), or a full disk",
}


@frozen
class Failure:
    """What the supervisor could not do, why, and the errno or 0."""

    doing: str
    reason: str
    number: int


class Held:
    """The end of a pipe whose closing ends a run; compared as itself: numbers come again."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def close(self) -> None:
        """Close it."""
        os.close(self._fd)


class Runs:
    """All that runs at the moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Held] = set()
        self._cancelled = False

    def add(self, held: Held) -> None:
        """Take a run in, or raise CancelledError."""
        with self._lock:
            if not self._cancelled:
                self._held.add(held)
                return
        held.close()
        raise CancelledError("cancelled")

    def end(self, held: Held) -> bool:
        """End a run if that has not been done; tell whether everything was cancelled."""
        with self._lock:
            if held in self._held:
                self._held.remove(held)
                held.close()
            return self._cancelled

    def cancel(self) -> None:
        """End all runs, now and for good."""
        with self._lock:
            self._cancelled = True
            while self._held:
                self._held.pop().close()


def run(  # noqa: PLR0913 -- one call, all of it named
    runs: Runs,
    function: str,
    wire: bytes,
    output: Output,
    *,
    keep: tuple[int, ...] = (),
    relay: Relay | None = None,
) -> RunOutcome:
    """Run what ``wire`` describes in a fresh process and wait until nothing of it is left.

    ``function`` is a function of a module of this package, as ``module.name``. ``keep``:
    descriptors that the supervisor keeps open to its end. ``relay`` as in
    :class:`mkbuild.sandbox.spec.Sandbox`.
    """
    life, end = os.pipe()
    held = Held(end)
    open_here = [life]
    try:
        runs.add(held)
        spec = os.memfd_create("mkbuild-run", os.MFD_CLOEXEC)
        report, report_end = os.pipe()
        open_here += [spec, report, report_end]
        _write(spec, wire)
        module, _, name = function.rpartition(".")
        pair = [end.detach() for end in socket.socketpair()] if relay else []
        open_here += pair
        fds = (spec, life, report_end, *pair[1:])
        command = launch.function(f"mkbuild.sandbox.{module}", name, *map(str, fds))
        copy = sealed.copy(command[0])
        process = subprocess.Popen(
            command,
            executable=command[0] if copy is None else f"/proc/self/fd/{copy}",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=(*fds, *keep, *([] if copy is None else [copy])),
            cwd="/",
            env=launch.environment(),
            start_new_session=True,
        )
        for fd in fds[2:]:  # else their ends would never be seen
            open_here.remove(fd)
            os.close(fd)
        with process:
            try:
                if relay is not None:
                    _relay(pair[0], relay)
                said = _pump(process, report, output)
            finally:
                # the supervisor ends when it has nothing to watch, also where output() raised
                cancelled = runs.end(held)
    finally:
        runs.end(held)
        for fd in open_here:
            os.close(fd)
    if cancelled:
        raise CancelledError("cancelled")
    return _outcome(said, process.returncode)


def _relay(channel: int, relay: Relay) -> None:
    """Receive the other end of the command's terminal, where it gets so far, and serve it."""
    with socket.socket(fileno=os.dup(channel)) as receiver:
        _, descriptors, _, _ = socket.recv_fds(receiver, 1, 1)
    for descriptor in descriptors:
        try:
            relay(descriptor)
        finally:
            os.close(descriptor)


def _write(fd: int, data: bytes) -> None:
    with open(os.dup(fd), "wb") as stream:
        stream.write(data)
    os.lseek(fd, 0, os.SEEK_SET)


def _pump(process: "subprocess.Popen[bytes]", report: int, output: Output) -> bytes:
    """Pass output on in the order in which it arrives; return what was reported."""
    said = io.BytesIO()
    if process.stdout is None or process.stderr is None:
        raise AssertionError("started with pipes")
    streams = {process.stdout.fileno(): 1, process.stderr.fileno(): 2, report: 0}
    poll = select.poll()
    for fd in streams:
        poll.register(fd, select.POLLIN)
    while streams:
        for fd, _ in poll.poll():
            data = os.read(fd, _CHUNK)
            if not data:
                poll.unregister(fd)
                del streams[fd]
            elif streams[fd]:
                output(streams[fd], data)
            else:
                said.write(data)
    return said.getvalue()


def _messages(said: bytes) -> Iterator[tuple[object, ...]]:
    stream = io.BytesIO(said)
    while stream.tell() < len(said):
        yield marshal.load(stream)  # noqa: S302 - written by our own child


def _outcome(said: bytes, returncode: int) -> RunOutcome:
    outcome = None
    for message in _messages(said):
        match message:
            case ("failed", str(doing), str(reason), int(number)):
                raise SandboxError(f"cannot {doing}: {reason}", hint=_HINTS.get(number))
            case ("ended", int(status), bool(lossy), tuple(reached)):
                outcome = RunOutcome(status, lossy, tuple(str(name) for name in reached))
            case _:
                raise AssertionError(message)
    if outcome is None and -returncode in (signal.SIGINT, signal.SIGTERM):
        # What a terminal sends to all of its processes also meets those that are only beginning.
        raise CancelledError("cancelled")
    if outcome is None:
        raise SandboxError(
            f"the sandbox's supervisor ended without a report (status {returncode})",
            hint="was it killed, for example because memory ran out?",
        )
    return outcome
