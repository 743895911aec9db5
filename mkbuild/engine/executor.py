"""Runs what has no result yet, and makes the layers that images need."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mkbuild.action import ActionKey, LayerRecord, StateID, StatePair, StepResult
from mkbuild.cache.tiered import TieredCache
from mkbuild.engine.resolution import Resolution, Resolver, Work
from mkbuild.errors import CancelledError, MkbuildError
from mkbuild.events import Event, LayerFinished, Status, StepFinished, StepOutput, StepStarted
from mkbuild.execute.filestep import Times, perform
from mkbuild.execute.run import Runner
from mkbuild.execute.states import LostStateError, States
from mkbuild.filesystem.blacklist import without
from mkbuild.filesystem.diff import Diff
from mkbuild.frozen import frozen
from mkbuild.plan.actions import Action, Base, Node, RunBody, inputs, layer_start
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import Policy, layer_pair
from mkbuild.schedule.machine import Node as Job
from mkbuild.snapshot.layerwrite import Compression, write_layer
from mkbuild.store.protocol import BlobWriter

Emit = Callable[[Event], None]

Follow: TypeAlias = Callable[[BlobWriter], None]
"""Is told of a layer that is about to be written."""

Wanted: TypeAlias = tuple[StatePair, str]
"""A layer by the states that it lies between, and how it is compressed."""

Failures: TypeAlias = dict[tuple[ActionKey, tuple[StateID, ...]], MkbuildError]
"""What went wrong, by step and input states: in a repeated attempt it is not tried again."""

COMPRESSIONS = {
    "gzip": Compression(),
    "speed": Compression(level="speed"),
    "size": Compression(level="size"),
    "zstd": Compression("zstd"),
    "none": Compression("none"),
}
"""What a target's ``compression`` means."""


@frozen
class StepReport:
    """How one step of an image came about, for reports."""

    stage: str
    instruction: str
    location: str
    key: str
    status: Status
    seconds: float
    state: str
    layer: str = ""


class Executor:
    """Thread-safe: every job of :meth:`jobs` may run in a thread of its own."""

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        *,
        resolver: Resolver,
        resolution: Resolution,
        states: States,
        cache: TieredCache,
        policy: Callable[[str], Policy],
        runner: Callable[[], Runner],
        stacks: bool,
        scratch: Callable[[], Path],
        emit: Emit,
        follow: Callable[[str, BlobWriter], None] = lambda _label, _blob: None,
        failures: Failures,
        why: Mapping[ActionKey, str] | None = None,
    ) -> None:
        """``runner`` is called when the first command must run.

        ``stacks``: commands find their states as stacks of trees, not laid over this container.
        ``failures`` are those of earlier attempts; new ones are added. ``why``: what to say of
        steps when they run. ``follow`` is told of each layer of an image that is being written,
        with the label of its target.
        """
        self._resolver = resolver
        self._resolution = resolution
        self._states = states
        self._cache = cache
        self._policy = policy
        self._make_runner = runner
        self._runner: Runner | None = None
        self._stacks = stacks
        self._scratch = scratch
        self._emit = emit
        self._follow = follow
        self._why = why or {}
        self._failures = failures
        self._lock = threading.Lock()
        self._jobs: dict[str, Callable[[], None]] = {}
        self.reports: dict[ActionKey, StepReport] = {}
        self.layers: dict[tuple[StatePair, str], LayerRecord] = {}

    def report_hits(self) -> None:
        """Report the steps whose result was known from the start."""
        for work in self._resolution.works.values():
            if work.result is not None:
                self._report(work, self._hit(work), 0.0)

    def jobs(
        self,
        images: Sequence[tuple[PlannedImage, str]],
        weights: Mapping[str, int],
        kinds: Mapping[str, str],
    ) -> dict[str, Job]:
        """Return the graph of what is left to do: steps without a result, layers not at hand.

        ``images`` come with the compression of their layers (see :data:`COMPRESSIONS`); weights
        and compressions of targets are by label.
        """
        graph: dict[str, Job] = {}
        names: dict[ActionKey, str] = {}
        for work in self._resolution.pending():
            name = f"step {work.key}"
            names[work.key] = name
            needs = tuple(
                names[ActionKey(self._resolution.by_node[node])]
                for node in inputs(work.action)
                if not isinstance(node, Base) and ActionKey(self._resolution.by_node[node]) in names
            )
            graph[name] = Job(needs, weights.get(work.action.target, 1))
            self._jobs[name] = partial(self._step, work)
        known = self._known_layers(images)
        for image, kind in images:
            self._layer_jobs(image, kind, known, names, graph)
        if self._cache.shares_layers:
            self._shared_layer_jobs(kinds, names, graph)
        return graph

    def _shared_layer_jobs(
        self, kinds: Mapping[str, str], names: Mapping[ActionKey, str], graph: dict[str, Job]
    ) -> None:
        """Add a job for each layer that ends with a step of a stage which becomes no image.

        Nothing here needs them. Other machines do: to go on from the middle of such a stage.
        """
        for node, key in self._resolution.by_node.items():
            if isinstance(node, Base) or not node.commit or ActionKey(key) not in names:
                continue
            before = layer_start(node)
            start, kind = self._resolution.by_node[before], kinds[node.target]
            name = f"layer {kind} {start} {key}"
            if name not in self._jobs:
                needs = [names[ActionKey(end)] for end in (start, key) if ActionKey(end) in names]
                graph[name] = Job(tuple(needs))
                self._jobs[name] = partial(self._layer, (before, node), kind, _nobody)

    def _layer_jobs(
        self,
        image: PlannedImage,
        kind: str,
        known: Mapping[Wanted, LayerRecord],
        names: Mapping[ActionKey, str],
        graph: dict[str, Job],
    ) -> None:
        """Add a job for each layer of an image that is not at hand, after the steps it spans."""
        for before, after in image.spans():
            start, end = self._resolution.by_node[before], self._resolution.by_node[after]
            name = f"layer {kind} {start} {end}"
            if name in self._jobs:
                continue
            needs = tuple(names[ActionKey(key)] for key in (start, end) if ActionKey(key) in names)
            if not needs and self._at_hand((before, after), kind, known):
                continue
            graph[name] = Job(needs)
            follow = partial(self._follow, after.target) if isinstance(after, Action) else _nobody
            self._jobs[name] = partial(self._layer, (before, after), kind, follow)

    def _known_layers(
        self, images: Iterable[tuple[PlannedImage, str]]
    ) -> Mapping[Wanted, LayerRecord]:
        """Look up the layers between states that are known, and leave out those that are gone."""
        wanted: dict[StatePair, Wanted] = {}
        for image, kind in images:
            for before, after in image.spans():
                try:
                    pair = (self._resolution.state(before), self._resolution.state(after))
                except KeyError:
                    break
                if pair[0] != pair[1]:
                    wanted[layer_pair(*pair, kind)] = (pair, kind)
        found = self._cache.get_layers(list(wanted))
        there = self._cache.available(found.values())
        return {wanted[pair]: record for pair, record in found.items() if record.digest in there}

    def _at_hand(
        self, nodes: tuple[Node, Node], kind: str, known: Mapping[Wanted, LayerRecord]
    ) -> bool:
        pair = (self._resolution.state(nodes[0]), self._resolution.state(nodes[1]))
        if pair[0] == pair[1]:
            return True
        record = known.get((pair, kind))
        if record is None:
            return False
        self.layers[pair, kind] = record
        return True

    def execute(self, name: str) -> None:
        """Run one job of :meth:`jobs`."""
        self._jobs[name]()

    # Steps.

    def _step(self, work: Work) -> None:
        states = tuple(self._resolution.state(node) for node in inputs(work.action))
        if (work.key, states) in self._failures:
            raise self._failures[work.key, states]
        started = time.monotonic()
        try:
            self._resolver.look_up_content(work, states)
            with self._states.exclusive(f"step {work.content_key}"):
                self._resolver.look_up_content(work, states)
                if work.result is not None:
                    self._report(work, self._hit(work), time.monotonic() - started)
                    return
                self._emit(_started(work, self._why.get(work.key, "")))
                self._run(work, states)
        except (CancelledError, LostStateError):
            # no failure of this step's own: interrupted, or about to run after what it needs
            self._finished(work, "skipped", time.monotonic() - started, None)
            raise
        except MkbuildError as error:
            self._failures[work.key, states] = error.at(work.action.location)
            self._finished(work, "ran", time.monotonic() - started, error)
            raise
        seconds = time.monotonic() - started
        self._report(work, "ran", seconds)

    def _run(self, work: Work, states: tuple[StateID, ...]) -> None:
        started = time.monotonic()
        diff, lossy = self._perform(work, states)
        blacklist = self._policy(work.action.target).blacklist
        if blacklist:
            diff = without(diff, self._states.index(states[0]), blacklist)
        after, toc = self._states.record(states[0], diff)
        result = StepResult(states, after, toc, lossy, time.monotonic() - started)
        work.result = self._agreed(work, result, diff)

    def _agreed(self, work: Work, result: StepResult, diff: Diff) -> StepResult:
        """Store a result; return it, or what another process has made of the same step meanwhile.

        The first result is everybody's, unless a new one was asked for, or its bytes are gone.
        """
        key = work.content_key
        assert key is not None  # noqa: S101 -- look_up_content has set it
        anew = work.forced and not work.lost
        self._cache.put_step(key, result, replace=anew)
        first = None if anew else self._cache.get_steps([key]).get(key)
        if first is not None and first.state != result.state:
            if self._states.adopt(result.inputs[0], first, diff):
                result = replace(first, inputs=result.inputs)
            elif work.lost:
                self._cache.put_step(key, result, replace=True)
        if work.key != key:
            self._cache.put_step(work.key, result, replace=True)
        return result

    def _perform(self, work: Work, states: tuple[StateID, ...]) -> tuple[Diff, bool]:
        action, scratch = work.action, self._scratch()
        if isinstance(action.body, RunBody):
            with self._runner_for(action) as runner:
                result = runner.run(
                    action,
                    self._resolution.state,
                    scratch,
                    lambda stream, data: self._emit(StepOutput(work.key, stream, data)),
                )
            return result.diff, result.lossy
        now = int(time.time())
        epoch = self._policy(action.target).epoch
        times = Times(
            created=now if epoch is None else epoch,
            context=epoch,
            latest=None if epoch is None else now,
        )
        given = self._resolver.file_inputs(action, self._resolution.state)
        return perform(action.body, self._states.index(states[0]), given, times, scratch), False

    @contextmanager
    def _runner_for(self, action: Action) -> Iterator[Runner]:
        """Make the runner before its first command, and unpack that command's base meanwhile."""
        with ExitStack() as stack:
            with self._lock:
                if self._runner is None:
                    if self._stacks:
                        state = self._resolution.state(action.parent)
                        stack.enter_context(_beside(partial(self._unpack, state)))
                    self._runner = self._make_runner()
            yield self._runner

    def _unpack(self, state: StateID) -> None:
        # What goes wrong here goes wrong again where the trees are needed, and is told there.
        with suppress(MkbuildError, OSError):
            self._states.trees(state)

    def _hit(self, work: Work) -> Status:
        return "hit-remote" if self._source(work) else "hit-local"

    def _source(self, work: Work) -> str:
        """Return which shared cache a step's result came from; empty for none."""
        keys = [key for key in (work.key, work.content_key) if key is not None]
        return next((name for name in map(self._cache.came_from, keys) if name), "")

    def _report(self, work: Work, status: Status, seconds: float) -> None:
        action = work.action
        self.reports[work.key] = StepReport(
            stage=action.stage,
            instruction=action.text,
            location=str(action.location),
            key=work.key,
            status=status,
            seconds=seconds,
            state=work.result.state if work.result else "",
        )
        self._finished(work, status, seconds, None)

    def _finished(
        self, work: Work, status: Status, seconds: float, error: MkbuildError | None
    ) -> None:
        action = work.action
        self._emit(
            StepFinished(
                step=work.key,
                target=action.target,
                stage=action.stage,
                instruction=action.text,
                location=str(action.location),
                status=status,
                seconds=seconds,
                key=work.key,
                error=error.message if error else "",
                source=self._source(work) if status == "hit-remote" else "",
            )
        )

    # Layers.

    def _layer(self, nodes: tuple[Node, Node], kind: str, follow: Follow) -> None:
        pair = (self._resolution.state(nodes[0]), self._resolution.state(nodes[1]))
        if pair[0] == pair[1]:
            return
        with self._states.exclusive(f"layer {kind} {pair}"):
            if (pair, kind) in self.layers:
                return
            key = layer_pair(*pair, kind)
            record = self._cache.get_layers([key]).get(key)
            if record is None or record.digest not in self._cache.available([record]):
                record = self._write_layer(nodes, kind, follow)
                self._cache.put_layer(
                    key, record, replace=True, share=not self._resolution.lossy(*nodes)
                )
            self.layers[pair, kind] = record

    def _write_layer(self, nodes: tuple[Node, Node], kind: str, follow: Follow) -> LayerRecord:
        started = time.monotonic()
        before, after = map(self._resolution.state, nodes)
        record = write_layer(
            self._states.diff(before, after),
            self._states.store,
            COMPRESSIONS[kind],
            follow=follow,
            toc=self._states.stored_toc(before, after),
        )
        if isinstance(nodes[1], Action):
            seconds = time.monotonic() - started
            key, target = self._resolution.by_node[nodes[1]], nodes[1].target
            self._emit(LayerFinished(key, target, record.digest, record.size, seconds))
        return record

    def records(self, image: PlannedImage, kind: str) -> Sequence[LayerRecord]:
        """Return the layers above an image's base, all steps done."""
        spans = image.layer_spans(self._resolution.state)
        return [self.layers[(before, after), kind] for before, after, _ in spans]


@contextmanager
def _beside(work: Callable[[], None]) -> Iterator[None]:
    """Do some work in a thread of its own; the context ends when it has."""
    thread = threading.Thread(target=work, name="beside")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _nobody(_blob: BlobWriter) -> None:
    """Follow no layer."""


def _started(work: Work, why: str) -> StepStarted:
    action = work.action
    place = str(action.location)
    return StepStarted(work.key, action.target, action.stage, action.text, place, why)


def state_producers(resolution: Resolution) -> dict[StateID, Work]:
    """Return which work makes each known state."""
    return {work.result.state: work for work in resolution.works.values() if work.result}
