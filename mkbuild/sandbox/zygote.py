"""The process that the supervisors of a sandbox are forked from. Child side.

A fork takes 1 ms, the start of an interpreter and its imports 17. It has one thread and has read
nothing of any RUN: an order is a message with descriptors, and only the supervisor reads from them.
It ends when the build has let go of its socket and the last supervisor has ended.
"""

import _socket  # socket is 10 ms
import marshal
import os
import select

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

RUN, TERMINAL = b"r", b"t"
"""An order; the latter's first descriptor after the report wants the command's terminal."""

_MOST = 253  # descriptors of a message: SCM_MAX_FD
_INT = 4


def serve(supervise: "Callable[[int, int, int, int], NoReturn]", control: int) -> "NoReturn":
    """Fork a supervisor for each order, and report how it ended behind what it reported itself.

    An order's descriptors: standard output and error, what is to be run, the build's life, the
    report, the terminal's channel if there is one, and what the supervisor holds to its end.
    ``supervise`` is given the middle four, -1 for no channel.
    """
    os.set_inheritable(control, False)
    orders = _socket.socket(fileno=control)
    poll = select.poll()
    poll.register(control, select.POLLIN)
    running: dict[int, tuple[int, int]] = {}  # by pidfd: process and report
    listening = True
    while listening or running:
        for fd, _ in poll.poll():
            if fd != control:
                poll.unregister(fd)
                os.close(fd)
                process, report = running.pop(fd)
                _, code = os.waitpid(process, 0)
                _end(report, ("exited", os.waitstatus_to_exitcode(code)))
                continue
            what, descriptors = _receive(orders)
            if not what:
                listening = False
                poll.unregister(control)
                continue
            out, err, spec, life, report, *others = descriptors
            try:
                process = os.fork()
            except OSError as error:
                why = (error.strerror or "", error.errno or 0)
                _end(report, ("failed", "start the sandbox's supervisor", *why))
                _close(out, err, spec, life, *others)
                continue
            if not process:
                _close(control, *running, *(report for _, report in running.values()))
                os.setsid()
                os.dup2(out, 1)
                os.dup2(err, 2)
                _close(out, err)
                supervise(spec, life, report, others[0] if what == TERMINAL else -1)
            _close(out, err, spec, life, *others)
            pidfd = os.pidfd_open(process)
            running[pidfd] = process, report
            poll.register(pidfd, select.POLLIN)
    os._exit(0)


def _receive(orders: "_socket.socket") -> "tuple[bytes, list[int]]":
    """Receive an order; empty when nobody is left to give any."""
    size = _socket.CMSG_SPACE(_MOST * _INT)
    what, messages, _, _ = orders.recvmsg(1, size, _socket.MSG_CMSG_CLOEXEC)
    return what, [fd for _, _, data in messages for fd in memoryview(data).cast("i")]


def _end(report: int, message: "tuple[str | int, ...]") -> None:
    try:
        os.write(report, marshal.dumps(message))
    except BrokenPipeError:
        return  # the build is gone
    finally:
        os.close(report)


def _close(*descriptors: int) -> None:
    for fd in descriptors:
        os.close(fd)
