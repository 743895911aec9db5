"""Answers the system calls that a sandbox with a single id cannot carry out. Child side.

The filter passes on a change of owner, or of a process's ids, to anything but 0. The answer is
success, and it is remembered that the result is not what another machine would have got.
"""

import ctypes
import errno
import os
import select
import socket

from mkbuild.sandbox import syscalls

_RECEIVE = 0xC0502100
_SEND = 0xC0182101
_NOTIFICATION_SIZE = 80
_ID_SIZE = 8
_RESPONSE_SIZE = 24


class Answering:
    """Listens for the filter's descriptor on a socket, then to the filter."""

    __slots__ = ("_channel", "_listener", "_poll", "lossy")

    def __init__(self, channel: int, poll: "select.poll") -> None:
        self._channel = socket.socket(fileno=channel)
        self._listener = -1
        self._poll = poll
        self.lossy = False
        poll.register(channel, select.POLLIN)

    def ready(self, fd: int, events: int) -> None:
        """Handle what poll reported for one of our descriptors."""
        if fd != self._listener:
            self._receive(fd)
        elif events & select.POLLIN:
            self._answer()
        else:  # nobody is left who could ask
            self._poll.unregister(fd)

    def _receive(self, fd: int) -> None:
        _, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        self._poll.unregister(fd)
        self._channel.close()
        if descriptors:
            self._listener = descriptors[0]
            self._poll.register(self._listener, select.POLLIN)

    def _answer(self) -> None:
        notification = ctypes.create_string_buffer(_NOTIFICATION_SIZE)
        response = ctypes.create_string_buffer(_RESPONSE_SIZE)
        failure = syscalls.ioctl(self._listener, _RECEIVE, notification)
        if not failure:
            self.lossy = True
            ctypes.memmove(response, notification, _ID_SIZE)
            failure = syscalls.ioctl(self._listener, _SEND, response)
        # ENOENT: whoever asked was killed meanwhile
        if failure not in (0, errno.ENOENT, errno.EINTR):
            raise OSError(failure, os.strerror(failure), "seccomp listener")
