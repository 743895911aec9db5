"""Mount points that a root file system lacks: made before a RUN, taken away after it.

What is taken away is what was made, where it is still an empty directory or file, reached by its
real components without following a link: whatever the RUN put in its place stays. A parent that
the RUN did not touch gets its time back, so that it equals the state below. Child side.
"""

import os
import stat

from mkbuild.sandbox.paths import PathError, Walk, open_below, proc

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable


class Stubs:
    """The stubs of one RUN in one root, given by a descriptor that sees no other mount."""

    __slots__ = ("_made", "_root", "_times")

    def __init__(self, root: int) -> None:
        self._root = root
        self._made: list[tuple[list[str], str]] = []
        self._times: dict[str, tuple[int, int, int]] = {}

    def make(self, targets: "Iterable[tuple[str, bool]]") -> None:
        """Create each missing target (path, whether it is a directory) and its parents."""
        before: dict[str, os.stat_result] = {}

        def remember(parent: int, _name: str) -> None:
            before.setdefault(os.readlink(proc(parent)), os.fstat(parent))

        for path, directory in targets:
            walk = Walk(self._root)
            try:
                if not walk.go(path):
                    walk.make(directory=directory, created=remember)
            finally:
                self._made += walk.made
                walk.close()
        base = os.readlink(proc(self._root))
        for place, old in before.items():
            now = os.lstat(place).st_mtime_ns
            self._times[place.removeprefix(base)] = (now, old.st_atime_ns, old.st_mtime_ns)

    def remove(self) -> None:
        """Remove what is still an empty stub, deepest first."""
        for names, name in reversed(self._made):
            try:
                parent = open_below(self._root, "/".join(names), follow=False)
            except PathError:
                continue
            try:
                self._remove(parent, names, name)
            finally:
                os.close(parent)

    def _remove(self, parent: int, names: list[str], name: str) -> None:
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        times = os.fstat(parent)
        if stat.S_ISDIR(found.st_mode):
            try:
                os.rmdir(name, dir_fd=parent)
            except OSError as error:
                if error.errno != 39:  # noqa: PLR2004 - ENOTEMPTY: the RUN's
                    raise
                return
        elif stat.S_ISREG(found.st_mode) and found.st_size == 0:
            os.unlink(name, dir_fd=parent)
        else:
            return
        key = "".join(f"/{part}" for part in names)
        made_at, atime, mtime = self._times.get(key, (-1, 0, 0))
        if made_at == times.st_mtime_ns:
            # the next stub in the same directory has to find it as this one did
            self._times[key] = (mtime, atime, mtime)
            os.utime(proc(parent), ns=(atime, mtime))
        else:
            os.utime(proc(parent), ns=(times.st_atime_ns, times.st_mtime_ns))
