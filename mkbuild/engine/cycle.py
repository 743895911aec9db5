"""One build of a watch, in a process of its own, which is warm before it is told to begin.

A fresh process a build: one that is cancelled leaves nothing behind, user namespaces can be entered
with a single thread, and nothing is carried from one build to the next but what the store holds.
What such a process takes to start is spent before the next save.
"""

import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import field

from mkbuild.engine.build import build
from mkbuild.engine.gather import gather
from mkbuild.engine.inputs import Inputs
from mkbuild.engine.report import Report
from mkbuild.engine.request import BuildRequest
from mkbuild.errors import CancelledError, MkbuildError
from mkbuild.events import Event, Reporter, RunStarted, StepFinished
from mkbuild.frozen import frozen
from mkbuild.progress.calm import CalmReporter
from mkbuild.progress.choose import Mode, Streams, choose
from mkbuild.sandbox import syscalls


@frozen
class Job:
    """What to build, how to report; ``arguments`` are those of the watch, for the log."""

    request: BuildRequest
    arguments: tuple[str, ...]
    mode: Mode
    verbose: bool


@frozen
class Cycle:
    """How a build ended: its error, digests by target, how long it took.

    ``told``: the error was reported already, when its step failed. ``inputs``: what it rested on,
    as far as that is known without a plan, where it came to none.
    """

    error: MkbuildError | None
    told: bool = False
    digests: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    inputs: Inputs | None = None


def main() -> None:
    """Wait for a job, do it, and say so; descriptors are in the arguments.

    What is said: Inputs, as soon as there is a plan, and a :class:`Cycle` in the end.
    """
    source, sink = map(int, sys.argv[1:3])
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        syscalls.die_with_parent()
        with open(source, "rb") as stream:  # noqa: PTH123 -- a descriptor
            data = stream.read()
        if data:
            job: Job = pickle.loads(data)  # noqa: S301 -- from our own parent
            with open(sink, "wb", buffering=0) as stream:  # noqa: PTH123 -- likewise
                cycle = _run(job, lambda inputs: pickle.dump(inputs, stream))
                pickle.dump(cycle, stream)
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(0)  # nobody waits for the answer


class _Begun:
    """A reporter that hears of the plan: that is when a build begins to run."""

    def __init__(self, reporter: Reporter, planned: Callable[[], None]) -> None:
        self._reporter = reporter
        self._planned = planned

    def emit(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._planned()
        self._reporter.emit(event)

    def close(self) -> None:
        self._reporter.close()


def _run(job: Job, planned: Callable[[Inputs], None]) -> Cycle:
    sys.argv[1:] = job.arguments
    started, report = time.monotonic(), Report(job.request)
    streams = Streams(sys.stdout, sys.stderr)
    reporter = choose(job.mode, streams, os.environ, time.time, verbose=job.verbose)
    if job.mode != "json" and not job.verbose:
        reporter = CalmReporter(reporter)
    error: MkbuildError | None = None
    try:
        build(job.request, _Begun(reporter, lambda: planned(_inputs(report, job))), report=report)
    except MkbuildError as found:
        error = found
    except KeyboardInterrupt:
        error = CancelledError("interrupted")
    except Exception as bug:  # noqa: BLE001 -- a watch goes on
        error = MkbuildError(f"internal error: {type(bug).__name__}: {bug}")
        error.hint = "this is a bug in mkbuild; a build without watch writes its trace"
    seconds = time.monotonic() - started
    digests = {target.label: target.document.digest for target in report.targets}
    steps = [event for _, event in report.recorder.events if isinstance(event, StepFinished)]
    told = error is not None and any(step.error == error.message for step in steps)
    has_plan = report.invocation is not None and report.invocation.planned
    return Cycle(error, told, digests, seconds, None if has_plan else _inputs(report, job))


def _inputs(report: Report, job: Job) -> Inputs:
    built = report.invocation
    workspace = built.workspace if built is not None else None
    return gather(job.request, report.files, workspace, built)
