"""One invocation of ``build``: plan all images, resolve, run what is left, finish the images."""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from mkbuild.action import ActionKey, LayerRecord, StateID
from mkbuild.buildfile.target import GitContext, Target
from mkbuild.digest import Digest
from mkbuild.engine.bases import Bases
from mkbuild.engine.caches import open_caches
from mkbuild.engine.commits import Commits
from mkbuild.engine.comparison import Comparison
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.early import EarlyPush, place_of
from mkbuild.engine.executor import Executor, Failures, StepReport
from mkbuild.engine.images import BuiltImage, BuiltTarget, CreationTimes, assemble
from mkbuild.engine.layers import LayerSource
from mkbuild.engine.lock import Pins, open_pins
from mkbuild.engine.lost import lost_state, lost_steps
from mkbuild.engine.planning import Planning
from mkbuild.engine.preview import Preview, preview
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.remotes import Remotes
from mkbuild.engine.request import BuildRequest, WorkspaceInput
from mkbuild.engine.resolution import Resolution, Resolver
from mkbuild.engine.runners import Made, make_runner, share
from mkbuild.engine.secrets import Secrets
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected
from mkbuild.errors import BuildError, CancelledError
from mkbuild.events import RunFinished, RunStarted, TargetFinished
from mkbuild.execute.filestep import remote_sources
from mkbuild.execute.run import Runner
from mkbuild.execute.states import LostStateError, States
from mkbuild.execute.takeover import Takeover
from mkbuild.oci.model import Descriptor, Platform
from mkbuild.oci.reference import Reference
from mkbuild.plan.actions import Action, AddStep, Node, walk
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.sides import Side
from mkbuild.sandbox.limits import Limits
from mkbuild.schedule import local
from mkbuild.schedule.local import Outcome

Part: TypeAlias = tuple[str, Platform]
"""A target's label and one of its platforms."""


@dataclass(slots=True)
class Outcomes:
    """What became of an invocation: what is built, by label, and what stopped the rest."""

    targets: dict[str, BuiltTarget] = field(default_factory=dict)
    error: BaseException | None = None
    skipped: tuple[str, ...] = ()
    summary: RunFinished | None = None
    """What is to be reported when everything is written and published."""


class Invocation:
    """Builds some targets of a workspace; used once."""

    def __init__(
        self,
        session: Session,
        request: BuildRequest,
        selected: Selected,
        pins: Pins | None = None,
        remotes: Callable[[Pins], Remotes] | None = None,
    ) -> None:
        """Bind to a session; nothing happens yet.

        ``pins``: instead of those of the lock file. ``remotes``: in place of the network.
        """
        root = selected.workspace.root if isinstance(request.input, WorkspaceInput) else None
        self.pins = pins or open_pins(request.sources.locked, root, os.environ)
        make = remotes or partial(
            Remotes, scratch=session.directory, offline=request.sources.offline
        )
        self.remotes = make(self.pins)
        self.session = session
        self.request = request
        self.workspace = selected.workspace
        self.targets: Mapping[str, Target] = selected.workspace.targets
        self.secrets = Secrets(self.targets, self.workspace.root)
        self.contexts = Contexts(self.targets, session.digests, self.remotes.checkout)
        self.registries = RegistryAccess(
            self.workspace.registries,
            request.sources,
            Path(self.workspace.root),
            session.emit,
        )
        self.bases = Bases(
            session.store,
            session.known,
            lambda: self.registries.resolver(session.store),
            self.pins,
            offline=request.sources.offline,
        )
        self.cache, self.homes = open_caches(
            session, request, self.workspace, self.registries, self.targets.values()
        )
        self.layers = LayerSource(
            store=session.store,
            trees=session.trees,
            cache=self.cache,
            fetch_base=self.bases.bring,
            userxattr=session.userxattr,
            single_id=session.single_id,
        )
        self.states = States(session.store, session.trees, self.layers, self.cache)
        self.bases.states = self.states
        self.commits = Commits(Path(self.workspace.root), self.contexts, session.warn)
        self.planning = Planning(
            self.workspace,
            self.bases,
            self.remotes.checkout,
            commit_of=self.commits.of,
            changes=request.changes,
            directory=Path(request.directory),
        )
        self.planned: Sequence[tuple[str, PlannedImage]] = ()
        """The images of a build, by target, as soon as they are planned."""
        self.resolution: Resolution | None = None
        """Of the last attempt, from when it is known."""
        self.why: Mapping[ActionKey, str] = {}
        """Of each step that this attempt began without a result for."""
        self.comparison = Comparison(session, request, self.planning, self.bases, self.contexts)
        self._made: Made | None = None
        self._cancelled = False
        self.early = EarlyPush(
            lambda: self.registries.pusher(session.store), self._early_place, session.emit
        )

    def read_remotes(self, nodes: Iterable[Node]) -> None:
        """Fetch all that some nodes, and the contexts of the targets, take from elsewhere."""
        for target in self.targets.values():
            for source in (target.context, *target.contexts.values()):
                if isinstance(source, GitContext):
                    self.remotes.checkout(source)
        for node in nodes:
            if isinstance(node, Action) and isinstance(node.body, AddStep):
                for url in remote_sources(node.body):
                    self.remotes.tree(node.body, url)

    # Building.

    def build(self, labels: tuple[str, ...]) -> Outcomes:
        """Build targets; what a failure leaves undone is in the outcome, not raised."""
        started = time.monotonic()
        with self.session.phase("plan"):
            images = self._images(labels)
        self.planned = [(label, image) for (label, _), image in images.items()]
        forced: frozenset[ActionKey] = frozenset()
        failures: Failures = {}
        try:
            while True:
                outcomes, lost = self._attempt(images, forced, failures, started)
                if lost <= forced:
                    return outcomes
                forced |= lost
        finally:
            # Before results are written: what is restored would remove them.
            if self._made is not None and self._made.takeover is not None:
                self._made.takeover.restore()

    def preview(self, labels: tuple[str, ...]) -> Preview:
        """Say what a build would do; nothing runs, and no layer is fetched."""
        images, resolution, _ = self.resolve(labels)
        why = self.comparison.reasons(images, resolution)
        compression = {label: target.compression for label, target in self.targets.items()}
        return preview(images, resolution, self.cache, why, compression)

    def define(self, labels: tuple[str, ...]) -> Side:
        """Say what targets are made of; no cache is asked, so all steps are pending."""
        self.planned = [(label, image) for (label, _), image in self._images(labels).items()]
        self.resolution = self.resolver().define([image.node for _, image in self.planned])
        return self.side()

    def resolve(
        self, labels: tuple[str, ...]
    ) -> tuple[list[tuple[str, PlannedImage]], Resolution, Resolver]:
        """Plan targets, and look up what is known of them: images (with labels) and their work."""
        images = [(label, image) for (label, _), image in self._images(labels).items()]
        resolver = self.resolver()
        resolution = resolver.resolve([image.node for _, image in images])
        self.planned, self.resolution = images, resolution
        return images, resolution, resolver

    def side(self) -> Side:
        """Describe what was planned, to compare it with something else; empty before that."""
        return self.comparison.side(self.planned, self.resolution)

    def _images(self, labels: tuple[str, ...]) -> dict[Part, PlannedImage]:
        return {
            (label, platform): self.planning.plan(label, platform)
            for label in labels
            for platform in self.planning.platforms(label)
        }

    def resolver(self, forced: frozenset[ActionKey] = frozenset()) -> Resolver:
        """Make what looks things up; ``forced``: steps that must run again."""
        return Resolver(
            contexts=self.contexts,
            states=self.states,
            cache=self.cache,
            policy=self.planning.policy,
            secrets=self.secrets.present,
            remotes=self.remotes,
            listings=self.comparison.listings,
            forced=forced,
            always=self.request.caches.always,
        )

    def _attempt(
        self,
        images: Mapping[Part, PlannedImage],
        forced: frozenset[ActionKey],
        failures: Failures,
        started: float,
    ) -> tuple[Outcomes, frozenset[ActionKey]]:
        """Try once; where cached results turn out to be gone, say which steps must run again."""
        behaviour = self.request.behaviour
        resolver, phase = self.resolver(forced), self.session.phase
        with phase("resolve"):
            resolution = resolver.resolve([image.node for image in images.values()])
        self.resolution = resolution
        self.why = self.comparison.reasons(self.planned, resolution)
        if resolution.pending() and behaviour.expect_cached:
            raise self.comparison.not_cached(self.planned, resolution, self.why)
        why = self.why if behaviour.explain else {}
        executor, outcome = self.run(resolver, resolution, images, failures, why)
        lost = lost_steps(outcome, resolution, keep_going=behaviour.keep_going)
        if outcome.ok:
            lost = self._lost_files(images, resolution)
        if lost:
            return Outcomes(error=local.first_error(outcome)), lost
        with phase("finish"):
            return self._finish(images, resolution, executor, outcome, started), lost

    def run(
        self,
        resolver: Resolver,
        resolution: Resolution,
        images: Mapping[Part, PlannedImage],
        failures: Failures,
        why: Mapping[ActionKey, str],
    ) -> tuple[Executor, Outcome]:
        """Run what has no result yet, and make the layers of images; see Executor for the rest."""
        behaviour = self.request.behaviour
        executor = Executor(
            resolver=resolver,
            resolution=resolution,
            states=self.states,
            cache=self.cache,
            policy=self.planning.policy,
            runner=self.runner,
            stacks=behaviour.sandbox != "modifyfs",
            scratch=self.session.directory,
            emit=self.session.emit,
            follow=self.early.follow,
            why=why,
            failures=failures,
        )
        weights = {label: target.resources.weight for label, target in self.targets.items()}
        self.session.emit(RunStarted(_labels(images), len(resolution.works), behaviour.jobs))
        executor.report_hits()
        kinds = {label: target.compression for label, target in self.targets.items()}
        wanted = [(image, kinds[label]) for (label, _), image in images.items()]
        graph = executor.jobs(wanted, weights, kinds)
        with self.session.phase("run"):
            outcome = local.run(
                graph,
                executor.execute,
                jobs=behaviour.jobs,
                keep_going=behaviour.keep_going,
                defers=LostStateError,
                on_cancel=self._cancel,
            )
        return executor, outcome

    def _lost_files(
        self, images: Mapping[Part, PlannedImage], resolution: Resolution
    ) -> frozenset[ActionKey]:
        """Return a step whose result is gone, of images whose very files are asked for."""
        for (label, _), image in images.items():
            outputs = (*self.request.publishing.outputs, *self.targets[label].outputs)
            if not any(output.type in {"tar", "local"} for output in outputs):
                continue
            lost = lost_state(self.states, resolution.state(image.node), resolution)
            if lost:
                return lost
        return frozenset()

    def state_of(self, image: PlannedImage) -> StateID:
        """Return the state of an image, once it is built."""
        assert self.resolution is not None  # noqa: S101 -- after build
        return self.resolution.state(image.node)

    def bring(self, layer: Descriptor) -> None:
        """Bring a layer of a finished image into the store; raises PullError, BuildError."""
        if self.bases.knows(layer.digest):
            self.bases.bring(layer)
        elif not self.cache.fetch(layer.digest, layer.size):
            message = f"layer {layer.digest} is gone from the store and from every cache"
            raise BuildError(message, hint="build again: it will be made anew")

    def origins(self, digest: Digest) -> tuple[Reference, ...]:
        """Return repositories of registries that a layer of a finished image is known to be in."""
        return self.bases.origins(digest) or self.homes

    def _early_place(self, label: str) -> Reference | None:
        # With a cache in a registry its layers go there by themselves, and are mounted from there.
        return None if self.homes else place_of(self.targets[label], self.request.publishing)

    def close(self) -> None:
        """Let go of trees, connections and the sandbox's process."""
        if self._made is not None:
            self._made.sandbox.close()
        self.early.stop()
        self.cache.flush()
        self.cache.close()
        self.states.close()
        self.registries.close()

    def runner(self) -> Runner:
        """Make the runner; raises SandboxError.

        A second attempt takes the first one's, and what that has taken over.
        """
        if self._made is None:
            self._made = make_runner(
                self.session,
                self.request.behaviour,
                self.states,
                policy=self.planning.policy,
                contexts=self.contexts.tree,
                secrets=self.secrets.value,
                agents=self.secrets.agent,
                take_over=self._take_over,
                limits={label: _limits(target) for label, target in self.targets.items()},
                environment=lambda label: share(
                    self.targets[label].resources, self.request.behaviour.jobs
                ),
            )
            # Asked only now: an interruption while it was made found nothing to end.
            if self._cancelled:
                self._made.sandbox.cancel()
        return self._made.runner

    def _take_over(self) -> Takeover:
        from mkbuild.engine.modifyfs import take_over

        root = Path(self.workspace.root)
        return take_over(self.request, root, self.targets, self.session.warn)

    def _cancel(self) -> None:
        self._cancelled = True
        if self._made is not None:
            self._made.sandbox.cancel()

    def _finish(
        self,
        images: Mapping[Part, PlannedImage],
        resolution: Resolution,
        executor: Executor,
        outcome: Outcome,
        started: float,
    ) -> Outcomes:
        outcomes = Outcomes(
            error=local.first_error(outcome),
            skipped=tuple(outcome.skipped),
        )
        if outcome.interrupted and outcomes.error is None and not outcomes.skipped:
            # What was running ended all the same; but whoever interrupts wants no push.
            outcomes.error = CancelledError("interrupted")
        built: dict[str, list[BuiltImage]] = {label: [] for label in _labels(images)}
        missing: set[str] = set()
        for (label, _), planned in images.items():
            image = self._assemble(label, planned, resolution, executor)
            if image is None:
                missing.add(label)
            else:
                built[label].append(image)
        for label, parts in built.items():
            if label not in missing:
                target = BuiltTarget.of(parts, self.session.store)
                outcomes.targets[label] = target
                self.session.emit(_finished(target))
        self._tell_lossy(resolution)
        reports = executor.reports.values()
        ran = sum(report.status == "ran" for report in reports)
        outcomes.summary = RunFinished(
            ok=outcome.ok,
            seconds=time.monotonic() - started,
            ran=ran,
            hits=len(reports) - ran,
            skipped=sum(name.startswith("step ") for name in outcome.skipped),
        )
        return outcomes

    def _tell_lossy(self, resolution: Resolution) -> None:
        """Say once which results a sandbox with a single id made poorer than another would."""
        works = resolution.works.values()
        lossy = [work.action for work in works if work.result is not None and work.result.lossy]
        if lossy:
            first = f"{lossy[0].location}" + (f" and {len(lossy) - 1} more" if lossy[1:] else "")
            self.session.warn(
                f"with a single user id all files look like root's, and changes of owner are "
                f"answered with success and ignored ({first}): other machines are not given "
                "these results"
            )

    def _assemble(
        self, label: str, planned: PlannedImage, resolution: Resolution, executor: Executor
    ) -> BuiltImage | None:
        """Write an image's config and manifest; None where something of it is missing."""
        try:
            layers = executor.records(planned, self.targets[label].compression)
        except KeyError:
            return None
        epoch = self.planning.created(label, planned)
        return assemble(
            self.targets[label],
            planned,
            base=self.bases.descriptors(planned.base),
            layers=layers,
            state_of=resolution.state,
            definition=resolution.by_node[planned.node],
            created=CreationTimes(epoch, self.session.known),
            commit=self.commits.of(self.targets[label]),
            store=self.session.store,
            steps=_reports(planned, resolution, executor, layers),
        )


def _labels(images: Iterable[Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label for label, _ in images))


def _limits(target: Target) -> Limits:
    resources = target.resources
    return Limits(resources.cpus, resources.memory, resources.pids)


def _finished(target: BuiltTarget) -> TargetFinished:
    return TargetFinished(
        target=target.label,
        digest=target.document.digest,
        names=target.names,
        steps=len(target.steps),
        ran=sum(step.status == "ran" for step in target.steps),
        seconds=sum(step.seconds for step in target.steps),
        size=target.size,
    )


def _reports(
    planned: PlannedImage,
    resolution: Resolution,
    executor: Executor,
    layers: Sequence[LayerRecord],
) -> list[StepReport]:
    """Return the reports of all steps that an image needs, in order, with its layers."""
    spans = zip(planned.layer_spans(resolution.state), layers, strict=True)
    ends = {resolution.by_node[action]: layer.digest for (_, _, action), layer in spans}
    found: dict[str, StepReport] = {}
    for node in walk((planned.node,)):
        key = ActionKey(resolution.by_node[node])
        if key in executor.reports:
            found[key] = replace(executor.reports[key], layer=ends.get(key, ""))
    return list(found.values())
