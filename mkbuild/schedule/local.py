"""Drives the machine with threads of this process."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from queue import Empty, SimpleQueue

from mkbuild.errors import CancelledError
from mkbuild.frozen import frozen
from mkbuild.schedule import machine
from mkbuild.schedule.machine import Cancel, Command, Done, Extended, Failed, Node, Skip, Start


@frozen
class More:
    """What a node returns that found out that there is more to do; see ``machine.Extended``."""

    nodes: Mapping[str, Node] = field(default_factory=dict)
    needs: tuple[str, ...] = ()


@frozen
class Outcome:
    """How a run ended: every node is in one of the four, in the order in which it ended."""

    failed: dict[str, BaseException]
    deferred: dict[str, BaseException]
    """Nodes that can be tried anew, with what they raised."""
    skipped: dict[str, str]
    """Skipped node → the failed node that it needed; empty where the run was interrupted."""
    done: tuple[str, ...]
    interrupted: bool

    @property
    def ok(self) -> bool:
        """Whether everything was done."""
        return not (self.failed or self.deferred or self.skipped or self.interrupted)


Execute = Callable[[str], More | None]
_Result = tuple[str, More | None, BaseException | None]

LOOK_SECONDS = 0.1
"""How long the main thread waits at most before it looks for signals again."""


class _Workers:
    """Daemon threads, made when needed: an interrupted process need not wait for them."""

    def __init__(self, execute: Execute) -> None:
        self._execute = execute
        self._tasks: SimpleQueue[str | None] = SimpleQueue()
        self._idle = 0
        self._threads: list[threading.Thread] = []
        self.results: SimpleQueue[_Result | None] = SimpleQueue()

    def start(self, node: str) -> None:
        if self._idle:
            self._idle -= 1
        else:
            name = f"mkbuild-step-{len(self._threads) + 1}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self._tasks.put(node)

    def collect(self) -> _Result | None:
        while True:
            # A signal that comes just before the wait begins does not end it (one in a hundred
            # did): Python looks for signals again when the wait is over.
            try:
                result = self.results.get(timeout=LOOK_SECONDS)
            except Empty:
                continue
            self._idle += result is not None
            return result

    def join(self) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (node := self._tasks.get()) is not None:
            try:
                result: _Result = (node, self._execute(node), None)
            except BaseException as error:  # noqa: BLE001 - carried to the driving thread
                result = (node, None, error)
            self.results.put(result)


class _Run:
    """One run: the machine, the threads, and what has ended so far."""

    def __init__(
        self,
        execute: Execute,
        defers: type[BaseException] | tuple[()],
        on_skip: Callable[[str, str], None],
        on_cancel: Callable[[], None],
        cancel: threading.Event,
    ) -> None:
        self.workers = _Workers(execute)
        self.failed: dict[str, BaseException] = {}
        self.deferred: dict[str, BaseException] = {}
        self.skipped: dict[str, str] = {}
        self.done: list[str] = []
        self.interrupted = False
        self._defers = defers
        self._on_skip = on_skip
        self._on_cancel = on_cancel
        self._cancel = cancel

    def obey(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Start(node):
                    self.workers.start(node)
                case Skip(node, because):
                    self.skipped[node] = because
                    self._on_skip(node, because)
                case Cancel():
                    pass  # all that run are cancelled at once, by on_cancel

    def event(self, result: _Result) -> machine.Event:
        node, more, error = result
        if isinstance(error, self._defers):
            self.deferred[node] = error
            return Failed(node, deferred=True)
        if error is not None:
            self.failed[node] = error
            return Failed(node)
        if more is not None:
            if not more.needs:
                self.done.append(node)
            return Extended(node, more.nodes, more.needs)
        self.done.append(node)
        return Done(node)

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Turn the first SIGINT or SIGTERM into a result, so that it never cuts a step in half.

        One that comes when there is nothing left to interrupt is raised again in the end.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        found = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # A script's background job is started with SIGINT ignored, and goes on ignoring it.
        before = {n: handler for n, handler in found.items() if handler != signal.SIG_IGN}
        seen = 0

        def on_signal(number: int, _frame: object) -> None:
            nonlocal seen
            if seen:
                raise KeyboardInterrupt
            seen = number
            self.workers.results.put(None)

        for number in before:
            signal.signal(number, on_signal)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if seen and not self.interrupted:
                signal.raise_signal(seen)

    def interrupt(self, state: machine.State) -> None:
        self.interrupted = True
        self._cancel.set()
        self.obey(machine.step(state, machine.Interrupted()))
        self._on_cancel()


def run(  # noqa: PLR0913 - one call, all of it named
    graph: Mapping[str, Node],
    execute: Execute,
    *,
    jobs: int,
    keep_going: bool = False,
    defers: type[BaseException] | tuple[()] = (),
    on_skip: Callable[[str, str], None] = lambda _node, _because: None,
    on_cancel: Callable[[], None] = lambda: None,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Run every node after what it needs, ``jobs`` slots at a time; no thread where graph is empty.

    ``execute`` is called from worker threads; an exception fails the node, and :class:`More`
    extends the graph. ``on_skip(node, because)`` and ``on_cancel`` are called from the calling
    thread. After a failure what runs is left to finish, since its result is worth keeping; nothing
    new starts, unless ``keep_going``, and then only what does not need the failed node. So it is
    with an exception of the kind ``defers`` always, and it counts as no failure. On the
    first SIGINT or SIGTERM, or when somebody else has set ``cancel`` (noticed when the next node
    ends), ``cancel`` is set, nothing new starts, and ``on_cancel`` must make what runs end soon;
    the second signal raises KeyboardInterrupt at once and leaves the (daemon) threads behind.
    """
    cancel = cancel or threading.Event()
    this = _Run(execute, defers, on_skip, on_cancel, cancel)
    if not graph:
        return Outcome({}, {}, {}, (), interrupted=False)
    state, commands = machine.begin(graph, slots=jobs, keep_going=keep_going)
    with this.signals():
        this.obey(commands)
        while not state.over:
            result = this.workers.collect()
            if (result is None or cancel.is_set()) and not this.interrupted:
                this.interrupt(state)
            if result is not None:
                this.obey(machine.step(state, this.event(result)))
        this.workers.join()
    return Outcome(this.failed, this.deferred, this.skipped, tuple(this.done), this.interrupted)


def first_error(outcome: Outcome) -> BaseException | None:
    """Return the error that stopped a run: the first that is no mere consequence of a cancel."""
    errors = [e for e in outcome.failed.values() if not isinstance(e, CancelledError)]
    if errors:
        return errors[0]
    return next(iter([*outcome.failed.values(), *outcome.deferred.values()]), None)
