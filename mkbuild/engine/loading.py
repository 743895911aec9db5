"""A workspace loaded by a process of its own, while this one imports what builds it.

Reading and checking build files, with all that has to be imported for it, takes as long as the
imports of a build, and threads of one interpreter cannot share either. The process is forked before
anything else happens; it is asked and answers once, by pipes. Where it does not answer, for
whatever reason, the files are read here: what is wrong in them is said by one process only.

Nothing heavy is imported here: this is the first that a build does.
"""

import os
import select

from mkbuild.context import forking

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Self

    from mkbuild.engine.files import DiskFiles
    from mkbuild.engine.request import BuildRequest
    from mkbuild.engine.workspace import Selected


_KILL = 9  # signal costs 1 ms


class Loading:
    """Loads the workspace of one request; used once, as a context manager."""

    def __init__(self, *, wanted: bool = True) -> None:
        """Begin with what no request is needed for, where that pays."""
        self._child = 0
        self._question = self._answer = -1
        if not (wanted and forking.pays()):
            return
        question, self._question = os.pipe()
        self._answer, answer = os.pipe()
        try:
            self._child = os.fork()
        except OSError:
            pass  # no more processes are allowed: nobody will answer
        else:
            if not self._child:
                os.close(self._question)
                _serve(question, answer)
        os.close(question)
        os.close(answer)

    def ask(self, request: "BuildRequest") -> None:
        """Tell what to load; once."""
        if not self._child:
            return
        from mkbuild.engine.request import WorkspaceInput

        if isinstance(request.input, WorkspaceInput):
            import pickle

            try:
                with open(self._question, "wb", closefd=False) as stream:
                    pickle.dump(request, stream)
            except BrokenPipeError:
                pass  # it was killed: it does not answer either
        os.close(self._question)
        self._question = -1

    def take(
        self, files: "DiskFiles", meanwhile: "Callable[[], None] | None" = None
    ) -> "Selected | None":
        """Return what was loaded, and tell ``files`` what was looked at; None: do it yourself.

        ``meanwhile`` is called where the answer is not there yet.
        """
        if not self._child:
            return None
        if meanwhile is not None and not select.select([self._answer], [], [], 0)[0]:
            meanwhile()
        with open(self._answer, "rb", closefd=False) as stream:
            answer = stream.read()
        if not answer:
            return None
        import pickle

        selected: Selected
        selected, looked, globs = pickle.loads(answer)  # noqa: S301 -- from our own child
        files.looked.update(looked)
        files.globs.update(globs)
        return selected

    def __enter__(self) -> "Self":
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, which has changed nothing anywhere."""
        for descriptor in (self._question, self._answer):
            if descriptor >= 0:
                os.close(descriptor)
        if self._child:
            os.kill(self._child, _KILL)
            os.waitpid(self._child, 0)


def _serve(question: int, answer: int) -> "NoReturn":
    """Load what is asked for, answer, and end the process."""
    try:
        # Of the four milliseconds that it takes to look for plugins a build file needs none.
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "1"
        import pickle

        import mkbuild.buildfile.load  # noqa: F401 -- while the arguments are parsed
        from mkbuild.engine.files import DiskFiles
        from mkbuild.engine.workspace import open_workspace

        with open(question, "rb") as stream:
            request = pickle.load(stream)  # noqa: S301 -- from our own parent
        files = DiskFiles()
        selected = open_workspace(request, files)
        with open(answer, "wb") as stream:
            stream.write(pickle.dumps((selected, files.looked, files.globs)))
    finally:
        os._exit(0)  # whatever it was: who reads the files again says it
