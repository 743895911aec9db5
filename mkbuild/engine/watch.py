"""``mkbuild watch``: builds, and builds again whenever a save reaches an image.

::

    saves ──┐              ┌── warm process ── build
            ├── queue ── loop
    ended ──┘              └── tells the user

All happens in one loop: a save that no image reads is forgotten; one that does starts a build, or
cancels the one that runs, since that has read what is no more. While nothing happens, the next
build's process waits, warm.
"""

import os
import pickle
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import SimpleQueue
from typing import Protocol

from mkbuild.engine.cycle import Cycle, Job
from mkbuild.engine.files import DiskFiles
from mkbuild.engine.gather import gather
from mkbuild.engine.inputs import Inputs
from mkbuild.engine.saves import Saved, Saves
from mkbuild.engine.workspace import open_workspace
from mkbuild.errors import CancelledError, MkbuildError
from mkbuild.frozen import frozen
from mkbuild.sandbox import launch

_PATIENCE = 10.0
"""Seconds that a cancelled build has to end by itself."""


@frozen
class Ended:
    """A build's process has ended; None where it was killed before it could tell anything."""

    child: "Child"
    cycle: Cycle | None


@frozen
class Planned:
    """A build has a plan, and begins to run: what it rests on."""

    child: "Child"
    inputs: Inputs


class Show(Protocol):
    """Tells the user; called from one thread."""

    def error(self, error: MkbuildError, *, told: bool = False) -> None:
        """Show what went wrong; ``told``: it was reported, and only a hint is missing."""
        ...

    def built(
        self, saved: frozenset[str], changed: list[str], cycle: Cycle, targets: Mapping[str, str]
    ) -> None:
        """Tell of a build: the saves that led to it (none for the first), the images it changed."""
        ...


class Child:
    """A process that waits for a job; it dies with this one."""

    def __init__(self) -> None:
        """Start it: what it needs is loaded until somebody wants a build."""
        job, self._job = os.pipe()
        self._answer, answer = os.pipe()
        code = "from mkbuild.engine.cycle import main; main()"
        words = ["-P", "-c", code, str(job), str(answer)]
        # blocked until it can tell what an interruption means: it inherits that
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        self._process = subprocess.Popen(
            [*launch.interpreter(), *words],
            stdin=subprocess.DEVNULL,
            pass_fds=(job, answer),
            process_group=0,  # a Ctrl-C is ours, and handed on
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        os.close(job)
        os.close(answer)

    def begin(self, job: Job) -> None:
        """Give it its job."""
        with open(self._job, "wb") as stream:  # noqa: PTH123 -- a descriptor
            stream.write(pickle.dumps(job))

    def follow(self, tell: Callable[["Planned | Ended"], None]) -> None:
        """Hand on what it says, to its end."""
        cycle: Cycle | None = None
        with open(self._answer, "rb") as stream, suppress(EOFError):  # noqa: PTH123 -- likewise
            while True:
                match pickle.load(stream):  # noqa: S301 -- from our own child
                    case Cycle() as cycle:
                        pass
                    case inputs:
                        tell(Planned(self, inputs))
        self._process.wait()
        tell(Ended(self, cycle))

    def cancel(self) -> None:
        """Interrupt its build."""
        self._process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """See to it that it is gone, with all that it runs."""
        self.cancel()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Watch:
    """One watch, from its first build to an interruption."""

    def __init__(self, job: Job, show: Show) -> None:
        """Prepare; nothing is watched or built yet."""
        self._job = job
        self._show = show
        self._queue: SimpleQueue[Saved | Planned | Ended | MkbuildError] = SimpleQueue()
        self._saves = Saves(self._queue.put)
        self._inputs = Inputs()
        self._warm = Child()
        self._running: Child | None = None
        self._stale = self._more = self._again = False
        self._saved: frozenset[str] = frozenset()
        self._digests: dict[str, str] = {}

    def run(self) -> None:
        """Build and watch until KeyboardInterrupt; raises MkbuildError where that cannot be."""
        try:
            self._rest_on(self._look())
            self._build()
            while True:
                match self._queue.get():
                    case Saved(paths):
                        self._save(paths)
                    case Planned(child, inputs):
                        if child is self._running:
                            self._more = self._rest_on(inputs)
                    case Ended(child, cycle):
                        if child is self._running:
                            self._end(cycle)
                    case error:
                        raise error
        finally:
            self._saves.close()
            for child in filter(None, (self._running, self._warm)):
                child.end()

    def _look(self) -> Inputs:
        """Find out what may have to be watched, before the first build says it exactly."""
        files, request = DiskFiles(), self._job.request
        try:
            workspace = open_workspace(request, files).workspace
        except MkbuildError:
            if not any(files.looked.values()):
                raise  # there is no build file to be mended
            return gather(request, files, None, None)
        return gather(request, files, workspace, None)

    def _follow(self, *, again: bool = False) -> bool:
        return self._saves.watch(self._inputs.trees(), self._inputs.directories(), again=again)

    def _build(self) -> None:
        child, self._stale, self._more = self._warm, False, False
        self._running, self._warm = child, Child()
        child.begin(self._job)
        threading.Thread(target=child.follow, args=(self._queue.put,), daemon=True).start()

    def _save(self, paths: frozenset[str]) -> None:
        if paths & (self._inputs.trees() | self._inputs.directories()):
            self._follow(again=True)
        read = frozenset(path for path in paths if self._inputs.reads(path))
        if not read:
            return
        self._saved |= read
        if self._running is None:
            self._build()
        elif not self._stale:
            self._stale = True
            self._running.cancel()

    def _rest_on(self, inputs: Inputs) -> bool:
        """Watch other inputs from now on; tell whether there are new ones among them."""
        self._inputs = inputs
        return self._follow()

    def _end(self, cycle: Cycle | None) -> None:
        self._running = None
        if cycle is not None and cycle.inputs is not None:
            self._rest_on(self._inputs | cycle.inputs)
        if self._stale:
            self._build()
            return
        if cycle is None:
            cycle = Cycle(MkbuildError("the build's process was killed"))
        if isinstance(cycle.error, CancelledError):
            raise KeyboardInterrupt
        self._tell(cycle)
        if self._more and cycle.error is None:
            self._again = True  # for what was saved before it was watched
            self._build()

    def _tell(self, cycle: Cycle) -> None:
        changed = [name for name, d in cycle.digests.items() if self._digests.get(name) != d]
        self._digests.update(cycle.digests)
        again, self._again = self._again, False
        if again and not (self._saved or changed or cycle.error):
            return
        if cycle.error is not None:
            self._show.error(cycle.error, told=cycle.told)
        self._show.built(self._saved, changed, cycle, self._digests)
        self._saved = frozenset()
