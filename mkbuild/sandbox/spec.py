"""What a RUN needs, as values: the sandbox makes it so, whatever its mode."""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal, Protocol

from mkbuild.frozen import frozen

MountType = Literal["bind", "cache", "tmpfs", "secret", "ssh"]
Network = Literal["default", "none", "host"]


@frozen
class MountSpec:
    """One mount of a RUN.

    ``target``: absolute path inside; links in it are followed inside, and what is missing is made
    and removed again if it is still empty. ``source``: absolute path outside (bind, cache, ssh): a
    directory, file or socket that is safe to open as it is. ``lowers``: for a bind of another
    state, its trees as in :class:`RunSpec`. ``subpath``: what is shown of source or lowers,
    resolved in there and nowhere else; a cache's must not lead through a link. ``writable`` binds
    are overlaid: what is written is thrown away, while a cache's writes stay. ``data``: a secret's
    bytes; ``uid``, ``gid``, ``mode`` are a secret's. ``size``: a tmpfs's limit in bytes, 0 for the
    kernel's default.
    """

    type: MountType
    target: str
    source: str = ""
    lowers: tuple[str, ...] = ()
    subpath: str = ""
    writable: bool = False
    data: bytes = field(default=b"", repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o755
    size: int = 0


@frozen
class Group:
    """A cgroup of one RUN: made below the directory ``parent``, with its ``files`` written first.

    ``files``: names and texts, in the order in which they are written.
    """

    parent: str
    files: tuple[tuple[str, str], ...]


@frozen
class RunSpec:
    """One command in one filesystem.

    ``lowers``: directories in overlay form (whiteouts as 0/0 character devices, opaque xattrs),
    topmost first, at most 500; empty for a RUN in scratch. ``upper``: a directory that receives
    what changes; its root gets owner, mode and times of the topmost lower. ``work``: an empty
    directory on the same filesystem, which the caller removes afterwards with all that is in it.
    ``tree``: the full, writable filesystem instead of lowers and upper (chroot mode, or where
    overlays do not work). ``env`` is all that the command sees. ``cwd`` must exist. ``groups``:
    supplementary ids. ``hosts``, ``resolv``: contents of /etc/hosts and /etc/resolv.conf, mounted
    and never part of the result. ``stdin``: bytes (a heredoc script); empty: /dev/null.
    ``cgroups``: made for the command, and removed after it. ``rlimits``: RLIMIT_* to value.
    ``held``: descriptors that are not closed before nothing of the command is left, whatever
    becomes of the build; the command does not get them.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    lowers: tuple[str, ...] = ()
    upper: str = ""
    work: str = ""
    tree: str = ""
    hostname: str = "buildkitsandbox"
    network: Network = "default"
    insecure: bool = False
    mounts: tuple[MountSpec, ...] = ()
    hosts: bytes = b""
    resolv: bytes = b""
    stdin: bytes = b""
    cgroups: tuple[Group, ...] = ()
    rlimits: tuple[tuple[int, int], ...] = ()
    held: tuple[int, ...] = ()


@frozen
class RunOutcome:
    """How a command ended: its exit status (128+n for signal n), and what the sandbox swallowed.

    ``lossy``: a change of owner or of the command's own ids to one that this sandbox cannot hold
    was answered with success, so the result may differ from another machine's. ``reached``: the
    limits that it met, of ``memory`` (the kernel killed a process) and ``pids`` (a fork failed).
    """

    status: int
    lossy: bool = False
    reached: tuple[str, ...] = ()


Output = Callable[[int, bytes], None]
"""Receives (1 for stdout or 2 for stderr, some bytes), from one thread at a time."""

Relay = Callable[[int], None]
"""Is given the other end of a command's terminal, and returns when the command has let go of it."""


class Sandbox(Protocol):
    """Runs commands; every mount, process and temporary file of a run is gone when it returns.

    Raises SandboxError where the machine cannot do it, CancelledError after :meth:`cancel`.
    Safe to be called from several threads.
    """

    @property
    def mode(self) -> str:
        """``namespace`` or ``chroot`` or ``modifyfs``."""
        ...

    def run(self, spec: RunSpec, output: Output, relay: Relay | None = None) -> RunOutcome:
        """Run the command to its end; a status other than 0 is an outcome, not an error.

        ``relay``: the command has a terminal of its own for standard input and output, which is
        its controlling terminal; ``output`` then gets nothing. Called from the same thread.
        """
        ...

    def cancel(self) -> None:
        """End everything that runs; later calls to run raise CancelledError."""
        ...

    def close(self) -> None:
        """Do as :meth:`cancel`, and return when no process is left of the sandbox itself."""
        ...
