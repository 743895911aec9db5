"""From declared targets to planned images, each planned once."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mkbuild.buildfile.interpolate import resolve_inputs
from mkbuild.buildfile.target import GitContext, Target, Workspace
from mkbuild.engine.bases import Bases
from mkbuild.engine.dockerfiles import Dockerfiles
from mkbuild.engine.outsides import TargetOutsides
from mkbuild.engine.request import Changes
from mkbuild.errors import UsageError
from mkbuild.graph.edges import Resolver as TargetNames
from mkbuild.graph.targets import TargetGraph, infer
from mkbuild.oci import epoch as epochs
from mkbuild.oci import platform as platforms
from mkbuild.oci.model import Platform
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import Policy
from mkbuild.plan.options import PlanOptions
from mkbuild.plan.place import Place
from mkbuild.plan.planner import plan, plan_command

DEFAULT_EPOCH = 315532800
"""1980-01-01T00:00:00Z: zip files can hold nothing earlier."""


class Planning:
    """Plans targets of a workspace when somebody asks for them."""

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        workspace: Workspace,
        bases: Bases,
        checkout: Callable[[GitContext], Path],
        *,
        commit_of: Callable[[Target], str],
        changes: Changes,
        directory: Path,
    ) -> None:
        """``directory``: where the user stands, which paths in messages are relative to.

        ``commit_of``: gives what ``${inputs.commit}`` is of a target.
        """
        self.workspace = workspace
        self.targets: Mapping[str, Target] = workspace.targets
        self.build_platform = platforms.host(os.uname().machine)
        self._bases = bases
        self._commit_of = commit_of
        self._changes = changes
        self._names = TargetNames(workspace)
        self._planned: dict[tuple[str, Platform], PlannedImage] = {}
        self.dockerfiles = Dockerfiles(directory, checkout)

    def graph(self, labels: tuple[str, ...]) -> TargetGraph:
        """Infer the edges between some targets and all that they need; raises CycleError."""
        return infer(self.workspace, self.dockerfiles.read, self.build_platform, labels)

    def plan(self, label: str, platform: Platform) -> PlannedImage:
        """Plan a target for a platform."""
        target = self.targets[label]
        key = (label, platform)
        if key not in self._planned:
            options = self._options(target, platform)
            dockerfile = self.dockerfiles.read(target)
            self._planned[key] = plan(dockerfile, options, self._outsides(target))
        return self._planned[key]

    def plan_command(
        self, label: str, platform: Platform, place: Place, stage: str = ""
    ) -> PlannedImage:
        """Plan a RUN at a place of a target's Dockerfile, see ``planner.plan_command``.

        ``stage``: whose end is meant where the place has no line; empty for the target's own.
        """
        target = self.targets[label]
        options = self._options(replace(target, target=stage or target.target), platform)
        dockerfile = self.dockerfiles.read(target)
        return plan_command(dockerfile, options, self._outsides(target), place)

    def _outsides(self, target: Target) -> TargetOutsides:
        return TargetOutsides(
            target,
            find_target=lambda name: self._find(target, name),
            planned=self.plan,
            registry=lambda ref, plat: self._bases.image(ref, plat, target.pull),
            layout=self._bases.layout,
            known=[other for other in self.targets if other != target.label],
        )

    def _find(self, target: Target, name: str) -> str | None:
        found = self._names.find(target, name)
        return found[0] if found else None

    def platforms(self, label: str) -> tuple[Platform, ...]:
        """Return the platforms that a target is built for, in its order; raises UserError."""
        given = self.targets[label].platforms
        return tuple(map(platforms.parse, given)) or (self.build_platform,)

    def _options(self, target: Target, platform: Platform) -> PlanOptions:
        commit = self._commit_of(target)
        return PlanOptions(
            target=target.label,
            stage=target.target or "",
            args={name: resolve_inputs(text, "", commit) for name, text in target.args.items()},
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
        return Policy(self.epoch(label), self._changes.blacklist, self._changes.preserve_root)

    def created(self, label: str, image: PlannedImage) -> int | None:
        """Return when an image says that it was made, in seconds since 1970; None for now."""
        return self.epoch(label) if image.epoch is None else image.epoch

    def epoch(self, label: str) -> int | None:
        """The time that files of a target get; None keeps theirs."""
        choice = self.targets[label].timestamps
        if choice == "preserve":
            return None
        if choice == "epoch":
            return _of_the_environment()
        return choice


def _of_the_environment() -> int:
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return DEFAULT_EPOCH
    try:
        return epochs.parse(text)
    except ValueError as error:
        raise UsageError(
            f"the environment's SOURCE_DATE_EPOCH is {text!r}: {error}",
            hint="unset it, or say --timestamps SECONDS",
        ) from None
