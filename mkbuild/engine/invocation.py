"""One invocation of ``build``: plan all images, resolve, run what is left, finish the images."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mkbuild.action import ActionKey, StateID
from mkbuild.buildfile.target import GitContext, Target
from mkbuild.dockerfile import parser
from mkbuild.dockerfile.instructions import Dockerfile
from mkbuild.engine.bases import Bases
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.executor import Executor, StepReport, state_producers
from mkbuild.engine.images import BuiltImage, CreationTimes, assemble
from mkbuild.engine.layers import LayerSource
from mkbuild.engine.outsides import TargetOutsides
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.resolution import Resolution, Resolver
from mkbuild.engine.runners import Made, make_runner
from mkbuild.engine.secrets import Secrets
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected
from mkbuild.errors import (
    BuildError,
    DockerfileError,
    ExpectedCachedError,
    NotYetError,
)
from mkbuild.events import RunFinished, RunStarted, TargetFinished
from mkbuild.execute.run import Runner
from mkbuild.execute.states import LostStateError, States
from mkbuild.graph.edges import Resolver as TargetNames
from mkbuild.graph.targets import TargetGraph, infer
from mkbuild.oci import platform as platforms
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import walk
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import Policy
from mkbuild.plan.options import PlanOptions
from mkbuild.plan.planner import plan
from mkbuild.schedule import local
from mkbuild.schedule.local import Outcome

DEFAULT_EPOCH = 315532800
"""1980-01-01T00:00:00Z: zip files can hold nothing earlier."""


@dataclass(slots=True)
class Outcomes:
    """What became of an invocation: images by label, failures by step or label."""

    images: dict[str, BuiltImage] = field(default_factory=dict)
    error: BaseException | None = None
    skipped: tuple[str, ...] = ()


class Invocation:
    """Builds some targets of a workspace; used once."""

    def __init__(self, session: Session, request: BuildRequest, selected: Selected) -> None:
        """Bind to a session; nothing happens yet."""
        self.session = session
        self.request = request
        self.workspace = selected.workspace
        self.targets: Mapping[str, Target] = selected.workspace.targets
        self.build_platform = platforms.host(os.uname().machine)
        self.names = TargetNames(selected.workspace)
        self.planned: dict[tuple[str, Platform], PlannedImage] = {}
        self.secrets = Secrets(self.targets)
        self.contexts = Contexts(self.targets, session.digests, self._checkout)
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
            offline=request.sources.offline,
        )
        self.layers = LayerSource(
            store=session.store,
            trees=session.trees,
            known=session.known,
            fetch_base=self.bases.fetch,
            fetch_blob=lambda _digest, _size: False,
            userxattr=session.userxattr,
            single_id=session.single_id,
        )
        self.states = States(session.store, session.trees, self.layers, session.cache)
        self.bases.states = self.states
        self._dockerfiles: dict[str, Dockerfile] = {}
        self._resolution: Resolution | None = None
        self._made: Made | None = None

    # Planning.

    def graph(self, labels: tuple[str, ...]) -> TargetGraph:
        """Infer the edges between some targets and all that they need; raises CycleError."""
        return infer(self.workspace, self.read_dockerfile, self.build_platform, labels)

    def read_dockerfile(self, target: Target) -> Dockerfile:
        """Read and parse a target's Dockerfile; raises DockerfileError."""
        if target.label not in self._dockerfiles:
            self._dockerfiles[target.label] = self._parse(target)
        return self._dockerfiles[target.label]

    def _parse(self, target: Target) -> Dockerfile:
        if target.dockerfile_inline is not None:
            return parser.parse(target.dockerfile_inline, f"{target.file}:{target.label}")
        path = Path(target.dockerfile)
        if isinstance(target.context, GitContext) and not path.is_absolute():
            path = self._checkout(target.context) / path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DockerfileError(
                f"cannot read the Dockerfile of {target.label}: {path}: {error.strerror}",
                location=target.location,
                hint="dockerfile: in the build file (or -f) says where it is",
            ) from error
        return parser.parse(data, self._display(path))

    def _display(self, path: Path) -> str:
        """Show a path as short as it is from where the user stands."""
        here = Path(self.request.directory)
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)

    def _checkout(self, context: GitContext) -> Path:
        message = f"a git repository as context ({context.url}) cannot be built from yet"
        raise NotYetError(message, hint="clone it, and name the directory")

    def plan(self, label: str, platform: Platform | None = None) -> PlannedImage:
        """Plan a target for a platform (None: its own)."""
        target = self.targets[label]
        wanted = platform or self._platform(target)
        key = (label, wanted)
        if key not in self.planned:
            options = self._options(target, wanted)
            outsides = TargetOutsides(
                target,
                find_target=lambda name: self._find(target, name),
                planned=self.plan,
                registry=lambda ref, plat: self.bases.image(ref, plat, target.pull),
                layout=self.bases.layout,
            )
            self.planned[key] = plan(self.read_dockerfile(target), options, outsides)
        return self.planned[key]

    def _find(self, target: Target, name: str) -> str | None:
        found = self.names.find(target, name)
        return found[0] if found else None

    def _platform(self, target: Target) -> Platform:
        if len(target.platforms) > 1:
            message = f"{target.label}: several platforms in one image cannot be built yet"
            hint = "build them one by one: --platform"
            raise NotYetError(message, location=target.location, hint=hint)
        return platforms.parse(target.platforms[0]) if target.platforms else self.build_platform

    def _options(self, target: Target, platform: Platform) -> PlanOptions:
        return PlanOptions(
            target=target.label,
            stage=target.target or "",
            args=target.args,
            labels=target.labels,
            platform=platform,
            build_platform=self.build_platform,
            explicit_platform=bool(target.platforms),
            commit=target.commit,
            contexts=frozenset(target.contexts),
            network=target.network,
            hosts=tuple(sorted(target.add_hosts.items())),
            no_cache=target.no_cache,
            no_cache_stages=frozenset(name.lower() for name in target.no_cache_filter),
        )

    def policy(self, label: str) -> Policy:
        """Return what reaches into every key of a target."""
        changes = self.request.changes
        return Policy(self.epoch(label), changes.blacklist, changes.preserve_root)

    def epoch(self, label: str) -> int | None:
        """The time that files of a target get; None keeps theirs."""
        choice = self.targets[label].timestamps
        if choice == "preserve":
            return None
        if choice == "epoch":
            return int(os.environ.get("SOURCE_DATE_EPOCH") or DEFAULT_EPOCH)
        return choice

    # Building.

    def build(self, labels: tuple[str, ...]) -> Outcomes:
        """Build targets; what a failure leaves undone is in the outcome, not raised."""
        started = time.monotonic()
        images = {label: self.plan(label) for label in labels}
        forced: set[ActionKey] = set()
        while True:
            outcomes, lost = self._attempt(images, frozenset(forced), started)
            if lost is None or lost in forced:
                return outcomes
            forced.add(lost)

    def _attempt(
        self, images: Mapping[str, PlannedImage], forced: frozenset[ActionKey], started: float
    ) -> tuple[Outcomes, ActionKey | None]:
        """Try once; where a cached result turns out to be gone, say which step must run again."""
        behaviour = self.request.behaviour
        resolver = Resolver(
            contexts=self.contexts,
            states=self.states,
            cache=self.session.cache,
            policy=self.policy,
            secrets=self.secrets.present,
            scratch=self.session.directory,
            forced=forced,
            always=self.request.caches.always,
        )
        resolution = resolver.resolve([image.node for image in images.values()])
        executor = Executor(
            resolver=resolver,
            resolution=resolution,
            states=self.states,
            cache=self.session.cache,
            policy=self.policy,
            runner=self._runner,
            scratch=self.session.directory,
            emit=self.session.emit,
            compression={label: self.targets[label].compression for label in images},
            replace=self.request.caches.always,
        )
        weights = {label: target.weight for label, target in self.targets.items()}
        self.session.emit(RunStarted(tuple(images), len(resolution.works), behaviour.jobs))
        executor.report_hits()
        graph = executor.jobs(images, weights)
        if graph and behaviour.expect_cached:
            raise ExpectedCachedError(_not_cached(resolution))
        outcome = local.run(
            graph,
            executor.execute,
            jobs=behaviour.jobs,
            keep_going=behaviour.keep_going,
            on_cancel=self._cancel,
        )
        lost = _lost(outcome, resolution)
        if lost is not None:
            return Outcomes(error=local.first_error(outcome)), lost
        return self._finish(images, resolution, executor, outcome, started), None

    def state_of(self, label: str) -> StateID:
        """Return the state of a target's image, once it is built."""
        assert self._resolution is not None  # noqa: S101 -- after build
        return self._resolution.state(self.plan(label).node)

    def close(self) -> None:
        """Let go of trees and connections."""
        self.states.close()
        self.registries.close()

    def _runner(self) -> Runner:
        self._made = make_runner(self)
        return self._made.runner

    def _cancel(self) -> None:
        if self._made is not None:
            self._made.sandbox.cancel()

    def _finish(
        self,
        images: Mapping[str, PlannedImage],
        resolution: Resolution,
        executor: Executor,
        outcome: Outcome,
        started: float,
    ) -> Outcomes:
        self._resolution = resolution
        outcomes = Outcomes(error=local.first_error(outcome), skipped=tuple(outcome.skipped))
        for label, planned in images.items():
            try:
                layers = executor.records(planned, self.targets[label].compression)
            except KeyError:
                continue
            steps = _reports(planned, resolution, executor)
            built = assemble(
                self.targets[label],
                planned,
                base=self.bases.descriptors(planned.base),
                layers=layers,
                state_of=resolution.state,
                definition=resolution.by_node[planned.node],
                created=CreationTimes(_first(planned.epoch, self.epoch(label)), self.session.known),
                commit="",
                store=self.session.store,
                steps=steps,
            )
            outcomes.images[label] = built
            ran = sum(step.status == "ran" for step in steps)
            self.session.emit(
                TargetFinished(
                    target=label,
                    digest=built.manifest.digest,
                    names=built.names,
                    steps=len(steps),
                    ran=ran,
                    seconds=sum(step.seconds for step in steps),
                    size=built.size,
                )
            )
        reports = executor.reports.values()
        ran = sum(report.status == "ran" for report in reports)
        self.session.emit(
            RunFinished(
                ok=outcome.ok,
                seconds=time.monotonic() - started,
                ran=ran,
                hits=len(reports) - ran,
                skipped=len(outcome.skipped),
            )
        )
        return outcomes


def _first(*choices: int | None) -> int | None:
    return next((choice for choice in choices if choice is not None), None)


def _reports(planned: PlannedImage, resolution: Resolution, executor: Executor) -> list[StepReport]:
    """Return the reports of all steps that an image needs, in order."""
    found: dict[str, StepReport] = {}
    for node in walk((planned.node,)):
        key = ActionKey(resolution.by_node[node])
        if key in executor.reports:
            found[key] = executor.reports[key]
    return list(found.values())


def _lost(outcome: Outcome, resolution: Resolution) -> ActionKey | None:
    """Return the step whose cached result turned out to be gone, where that is what failed."""
    for error in outcome.failed.values():
        if isinstance(error, LostStateError):
            work = state_producers(resolution).get(error.state)
            if work is None:
                raise BuildError(str(error)) from error
            return work.key
    return None


def _not_cached(resolution: Resolution) -> str:
    lines = [
        f"  {work.action.location}: {work.action.text.splitlines()[0]}"
        for work in resolution.pending()
    ]
    return "--expect-cached, but these steps would run:\n" + "\n".join(lines)
