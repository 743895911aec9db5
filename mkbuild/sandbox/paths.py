"""Paths resolved below a directory that is treated as the root, and never outside of it.

Every component is opened relative to the descriptor of the one before, links are read and followed
by hand, and ``..`` goes back to a descriptor that is still held: so neither a link nor somebody who
renames directories at the same time leads out. Child side: os alone.
"""

import os
import stat

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_LINKS = 40
_AT = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

DIRECTORY_MODE = 0o755
FILE_MODE = 0o644


class PathError(Exception):
    """A path that cannot be had below its root; the message says why."""


def proc(fd: int) -> str:
    """Return a path by which the kernel finds what a descriptor points to."""
    return f"/proc/self/fd/{fd}"


class Walk:
    """A walk from a root: descriptors of where it has been, as a stack.

    ``names`` are the real components from the root to the place reached. ``made`` are the stubs
    that :meth:`make` created, each with its parent's components.
    """

    __slots__ = ("_fds", "_links", "_todo", "made", "names")

    def __init__(self, root: int) -> None:
        self._fds = [os.dup(root)]
        self._todo: list[str] = []
        self._links = 0
        self.names: list[str] = []
        self.made: list[tuple[list[str], str]] = []

    def close(self) -> None:
        """Close all that was opened."""
        for fd in self._fds:
            os.close(fd)
        self._fds = []

    @property
    def fd(self) -> int:
        """The descriptor (O_PATH) of the place reached; the walk owns it."""
        return self._fds[-1]

    def go(self, path: str, *, follow: bool = True) -> bool:
        """Walk to a path; False where a component is missing (:meth:`make` goes on from there)."""
        self._todo = [*self._todo, *path.split("/")]
        while self._todo:
            name = self._todo.pop(0)
            if name in ("", "."):
                continue
            if name == "..":
                self._up()
                continue
            try:
                fd = os.open(name, _AT, dir_fd=self.fd)
            except FileNotFoundError:
                self._todo.insert(0, name)
                return False
            except NotADirectoryError as error:
                raise PathError(f"{self} is not a directory") from error
            if stat.S_ISLNK(os.fstat(fd).st_mode):
                if not follow:
                    os.close(fd)
                    raise PathError(f"{self}/{name} is a symbolic link")
                self._follow(fd)
            else:
                self._fds.append(fd)
                self.names.append(name)
        return True

    def make(self, *, directory: bool, created: "Callable[[int], None] | None" = None) -> None:
        """Create what :meth:`go` found missing: directories, and at the end what is wanted.

        ``created`` is called with the parent's descriptor before each creation.
        """
        while self._todo:
            name = self._todo[0]
            last = not any(part not in ("", ".") for part in self._todo[1:])
            if created:
                created(self.fd)
            here = list(self.names)
            if directory or not last:
                os.mkdir(name, DIRECTORY_MODE, dir_fd=self.fd)
            else:
                flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
                os.close(os.open(name, flags, FILE_MODE, dir_fd=self.fd))
            self.made.append((here, name))
            self.go("")

    def _up(self) -> None:
        if len(self._fds) > 1:
            os.close(self._fds.pop())
            self.names.pop()

    def _follow(self, fd: int) -> None:
        self._links += 1
        if self._links > _MAX_LINKS:
            os.close(fd)
            raise PathError(f"{self}: too many levels of symbolic links")
        target = os.readlink("", dir_fd=fd)
        os.close(fd)
        if self.names[:1] == ["proc"] and (target.startswith("/") or ":" in target):
            # what such a link says is a path of ours (cwd, root, fd), or no path at all
            raise PathError(
                f"{self}: a link of the kernel's, which leads to something of a process"
            )
        self._todo = [*target.split("/"), *self._todo]
        if target.startswith("/"):
            while len(self._fds) > 1:
                self._up()

    def __str__(self) -> str:
        return "/" + "/".join(self.names)


def open_below(root: int, path: str, *, follow: bool = True) -> int:
    """Return a descriptor (O_PATH) of a path below a root; PathError where it does not exist."""
    walk = Walk(root)
    try:
        if not walk.go(path, follow=follow):
            raise PathError(f"{path} does not exist")
        return os.dup(walk.fd)
    finally:
        walk.close()
