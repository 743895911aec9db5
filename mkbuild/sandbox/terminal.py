"""A command's own terminal: opened in its /dev, the other end handed to the build. Child side.

The user's terminal itself never gets into the box: what holds it could type into it (TIOCSTI).
"""

import fcntl
import os
import socket
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkbuild.sandbox.wire import Wire


def take(spec: "Wire") -> None:
    """Make a new terminal the controlling one, and all standard streams; setsid was called."""
    master, terminal = os.openpty()
    with socket.socket(fileno=spec["terminal"]) as channel:
        socket.send_fds(channel, [b"t"], [master])
    os.close(master)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    if spec["uid"] and not spec["one_id"]:
        os.fchown(terminal, spec["uid"], -1)
    for fd in range(3):
        os.dup2(terminal, fd)
