"""Mount points that a root file system lacks: made before a RUN, taken away after it.

What is taken away is what was made, where it is still an empty directory or file, reached by its
real components without following a link: whatever the RUN put in its place stays. A parent that
the RUN did not touch gets its time back, so that it equals the state below. Child side.
"""

import errno
import os
import stat

from mkbuild.sandbox.paths import PathError, Walk, open_below, proc

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable


class Stubs:
    """The stubs of one RUN in one root, given by a descriptor that sees no other mount."""

    __slots__ = ("_before", "_made", "_root", "_times")

    def __init__(self, root: int) -> None:
        self._root = root
        self._made: list[tuple[list[str], str]] = []
        self._before: dict[str, os.stat_result] = {}
        self._times: dict[str, tuple[int, int, int]] = {}

    def make(self, targets: "Iterable[tuple[str, bool]]") -> None:
        """Create each missing target (path, whether it is a directory) and its parents."""
        for path, directory in targets:
            walk = Walk(self._root)
            try:
                if not walk.go(path):
                    walk.make(directory=directory, created=self.remember)
            finally:
                self._made += walk.made
                walk.close()
        self.settle()

    def remember(self, parent: int) -> None:
        """Remember the times of a directory that is about to be changed."""
        self._before.setdefault(os.readlink(proc(parent)), os.fstat(parent))

    def settle(self) -> None:
        """Note the times that our own changes gave: whatever they are later, the RUN did it."""
        for place, old in self._before.items():
            now = os.lstat(place).st_mtime_ns
            self._times[place] = (now, old.st_atime_ns, old.st_mtime_ns)

    def restore_times(self, parent: int, changed: os.stat_result) -> None:
        """Give a directory, which we changed back, its times before or those that the RUN gave.

        ``changed``: what the directory was before that.
        """
        key = os.readlink(proc(parent))
        made_at, atime, mtime = self._times.get(key, (-1, 0, 0))
        if made_at == changed.st_mtime_ns:
            # the next change in the same directory has to find it as this one did
            self._times[key] = (mtime, atime, mtime)
            os.utime(proc(parent), ns=(atime, mtime))
        else:
            os.utime(proc(parent), ns=(changed.st_atime_ns, changed.st_mtime_ns))

    def remove(self) -> None:
        """Remove what is still an empty stub, deepest first."""
        for names, name in reversed(self._made):
            try:
                parent = open_below(self._root, "/".join(names), follow=False)
            except PathError:
                continue
            changed = os.fstat(parent)
            try:
                if _remove_empty(parent, name):
                    self.restore_times(parent, changed)
            finally:
                os.close(parent)


def _remove_empty(parent: int, name: str) -> bool:
    """Remove an empty directory or file; tell whether it was one."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            os.rmdir(name, dir_fd=parent)
            return True
        if stat.S_ISREG(found.st_mode) and found.st_size == 0:
            os.unlink(name, dir_fd=parent)
            return True
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTEMPTY):  # the RUN's
            raise
    return False
