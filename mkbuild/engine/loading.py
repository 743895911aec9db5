"""A workspace loaded by a process of its own, while this one imports what builds it.

Reading and checking build files takes about as long as the imports of a build, and threads of one
interpreter cannot share either. The process is forked while there is nothing but arguments, and
answers once, by a pipe. Where it does not answer, for whatever reason, the files are read here:
what is wrong in them is said by one process only.
"""

import os
import pickle
import threading
from contextlib import suppress
from typing import Self

from mkbuild.engine.request import BuildRequest, WorkspaceInput

TYPE_CHECKING = False  # what is imported here is imported before the fork
if TYPE_CHECKING:
    from mkbuild.engine.compiled import Compiled
    from mkbuild.engine.files import DiskFiles
    from mkbuild.engine.workspace import Selected


class Loading:
    """Loads the workspace of a request; used once, as a context manager."""

    def __init__(self, request: BuildRequest, last: "Compiled | None" = None) -> None:
        """Begin, unless there is nothing to read, or ``last`` holds what would come of it."""
        self._child = self._answer = 0
        alone = len(os.sched_getaffinity(0)) == 1 or threading.active_count() > 1
        lone = not isinstance(request.input, WorkspaceInput)
        if alone or lone or (last is not None and last.loads_alike(os.environ)):
            return
        self._answer, answer = os.pipe()
        with suppress(OSError):  # no more processes are allowed
            self._child = os.fork()
            if not self._child:
                _load(request, answer)
        os.close(answer)

    def take(self, files: "DiskFiles") -> "Selected | None":
        """Return what was loaded, and tell ``files`` what was looked at; None: do it yourself."""
        if not self._answer:
            return None
        with open(self._answer, "rb", closefd=False) as stream:
            answer = stream.read()
        if not answer:
            return None
        selected: Selected
        selected, looked, globs = pickle.loads(answer)  # noqa: S301 -- from our own child
        files.looked.update(looked)
        files.globs.update(globs)
        return selected

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the process: it ends when nobody takes its answer."""
        if self._answer:
            os.close(self._answer)
        if self._child:
            os.waitpid(self._child, 0)


def _load(request: BuildRequest, answer: int) -> None:
    """Load, answer, and end the process."""
    try:
        from mkbuild.engine.files import DiskFiles
        from mkbuild.engine.workspace import open_workspace

        files = DiskFiles()
        selected = open_workspace(request, files)
        with open(answer, "wb") as stream:
            stream.write(pickle.dumps((selected, files.looked, files.globs)))
    finally:
        os._exit(0)  # whatever it was: who reads the files again says it
