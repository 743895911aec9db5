"""The build's side of a RUN: starts its supervisor, passes on what is written, waits."""

import io
import marshal
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence

from mkbuild.errors import CancelledError, SandboxError
from mkbuild.frozen import frozen
from mkbuild.sandbox import launch, sealed
from mkbuild.sandbox.spec import Output, Relay, RunOutcome
from mkbuild.sandbox.zygote import RUN, TERMINAL

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


class _Zygote:
    """A process that forks supervisors; see :mod:`mkbuild.sandbox.zygote`."""

    def __init__(self, function: str) -> None:
        """Start it; ``function`` is one of a module of this package, as ``module.name``."""
        module, _, name = function.rpartition(".")
        # whole messages, each an order
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = launch.function(f"mkbuild.sandbox.{module}", name, str(theirs.fileno()))
            copy = sealed.copy(command[0])
            self._process = subprocess.Popen(
                command,
                executable=command[0] if copy is None else f"/proc/self/fd/{copy}",
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *([] if copy is None else [copy])),
                cwd="/",
                env=launch.environment(),
                start_new_session=True,
            )  # standard error is ours: an interpreter that cannot start says why

    def order(self, what: bytes, descriptors: Sequence[int]) -> bool:
        """Ask for a supervisor; tell whether there is a process to ask."""
        try:
            socket.send_fds(self._orders, [what], descriptors)
        except (BrokenPipeError, ConnectionResetError):
            self.leave()
            self.end()
            return False
        return True

    def leave(self) -> None:
        """Order nothing any more: it ends when its supervisors have."""
        self._orders.close()

    def end(self) -> int:
        """Wait for its end, which has come or was asked for; return its exit code."""
        return self._process.wait()


class Runs:
    """All that runs at the moment in one sandbox, whose zygote starts with the first."""

    def __init__(self, function: str) -> None:
        """``function``: the main function of its zygote, as ``module.name`` of this package."""
        self._function = function
        self._lock = threading.Lock()
        self._held: set[Held] = set()
        self._cancelled = False
        self._zygote: _Zygote | None = None

    def __del__(self) -> None:
        self.close()

    def add(self, held: Held) -> None:
        """Take a run in, or raise CancelledError."""
        with self._lock:
            if not self._cancelled:
                self._held.add(held)
                return
        held.close()
        raise CancelledError("cancelled")

    def order(self, what: bytes, descriptors: Sequence[int]) -> _Zygote:
        """Ask the zygote for a supervisor, or raise CancelledError; return which one it was."""
        with self._lock:
            if self._cancelled:
                raise CancelledError("cancelled")
            if self._zygote is None or not self._zygote.order(what, descriptors):
                self._zygote = _Zygote(self._function)
                self._zygote.order(what, descriptors)
            return self._zygote

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
            if self._zygote is not None:
                self._zygote.leave()
            while self._held:
                self._held.pop().close()

    def close(self) -> None:
        """End all, and wait for the zygote: nothing is left of it."""
        self.cancel()
        if self._zygote is not None:
            self._zygote.end()


def run(
    runs: Runs,
    wire: bytes,
    output: Output,
    *,
    keep: tuple[int, ...] = (),
    relay: Relay | None = None,
) -> RunOutcome:
    """Run what ``wire`` describes and wait until nothing of it is left.

    ``keep``: descriptors that the supervisor keeps open to its end. ``relay`` as in
    :class:`mkbuild.sandbox.spec.Sandbox`.
    """
    life, end = os.pipe()
    held = Held(end)
    open_here = [life]
    try:
        runs.add(held)
        spec = os.memfd_create("mkbuild-run", os.MFD_CLOEXEC)
        open_here.append(spec)
        _write(spec, wire)
        pipes = [os.pipe() for _ in range(3)]
        ours, theirs = [list(ends) for ends in zip(*pipes, strict=True)]
        open_here += ours + theirs
        out, err, report = theirs
        pair = [end.detach() for end in socket.socketpair()] if relay else []
        open_here += pair
        zygote = runs.order(
            TERMINAL if relay else RUN, (out, err, spec, life, report, *pair[1:], *keep)
        )
        for fd in (*theirs, *pair[1:]):  # else their ends would never be seen
            open_here.remove(fd)
            os.close(fd)
        try:
            if relay is not None:
                _relay(pair[0], relay)
            said = _pump(ours, output)
        finally:
            # the supervisor ends when it has nothing to watch, also where output() raised
            cancelled = runs.end(held)
            while os.read(ours[-1], _CHUNK):
                pass
    finally:
        runs.end(held)
        for fd in open_here:
            os.close(fd)
    if cancelled:
        raise CancelledError("cancelled")
    return _outcome(said, zygote.end)


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


def _pump(ours: Sequence[int], output: Output) -> bytes:
    """Pass output on in the order in which it arrives; return what was reported."""
    said = io.BytesIO()
    streams = dict(zip(ours, (1, 2, 0), strict=True))
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


def _outcome(said: bytes, zygote: Callable[[], int]) -> RunOutcome:
    """Tell what a report means; ``zygote`` waits for that one's end, which is why it is silent."""
    outcome = returncode = None
    for message in _messages(said):
        match message:
            case ("failed", str(doing), str(reason), int(number)):
                raise SandboxError(f"cannot {doing}: {reason}", hint=_HINTS.get(number))
            case ("ended", int(status), bool(lossy), tuple(reached)):
                outcome = RunOutcome(status, lossy, tuple(str(name) for name in reached))
            case ("exited", int(code)):
                returncode = code
            case _:
                raise AssertionError(message)
    if outcome is not None:
        return outcome
    if returncode is None:
        returncode = zygote()
    if -returncode in (signal.SIGINT, signal.SIGTERM):
        # What a terminal sends to all of its processes also meets those that are only beginning.
        raise CancelledError("cancelled")
    raise SandboxError(
        f"the sandbox's supervisor ended without a report (status {returncode})",
        hint="was it killed, for example because memory ran out?",
    )
