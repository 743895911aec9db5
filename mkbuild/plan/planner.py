"""From a Dockerfile to a planned image: which stages are needed, and what their steps are.

Stages are planned on demand, so one that nothing needs is never looked at, nor is its base.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from mkbuild.dockerfile import parser, words
from mkbuild.dockerfile.instructions import Copy, Dockerfile, Onbuild, Stage, Statement
from mkbuild.errors import DockerfileError, MkbuildError
from mkbuild.location import Location
from mkbuild.oci import epoch
from mkbuild.oci import platform as platforms
from mkbuild.oci import reference as references
from mkbuild.oci.model import ContainerConfig, ImageConfig, Platform
from mkbuild.plan import keys, scope
from mkbuild.plan.actions import CONTEXT, Action, Base, ContextInput, CopyStep, Node, RunBody
from mkbuild.plan.cycles import refuse_cycles
from mkbuild.plan.image import Link, PlannedImage
from mkbuild.plan.options import Outsides, PlanOptions
from mkbuild.plan.place import Place
from mkbuild.plan.stage import StageBuilder

SCRATCH = "scratch"


def plan(dockerfile: Dockerfile, options: PlanOptions, outsides: Outsides) -> PlannedImage:
    """Plan one image; raises DockerfileError and whatever ``outsides`` raises, located."""
    planner = _Planner(dockerfile, options, outsides)
    image = planner.image()
    config = image.config
    if options.labels:
        labels = {**config.config.labels, **options.labels}
        config = config.with_config(replace(config.config, labels=labels))
    platform = config.platform
    if options.explicit_platform:
        same = (platform.os, platform.architecture) == (
            options.platform.os,
            options.platform.architecture,
        )
        platform = replace(
            options.platform,
            variant=options.platform.variant or (platform.variant if same else ""),
            os_version=options.platform.os_version or (platform.os_version if same else ""),
        )
    config = replace(config, platform=platforms.normalise(platform))
    chain = image.chain
    if chain:
        chain = (*chain[:-1], replace(chain[-1], cut=True))
    return replace(image, config=config, chain=chain, epoch=planner.epoch())


def plan_command(
    dockerfile: Dockerfile, options: PlanOptions, outsides: Outsides, place: Place
) -> PlannedImage:
    """Plan a stage as far as a place, and a RUN that stands there; raises as :func:`plan` does.

    The RUN is the one that stands there, or else has no words; the image's last action is it.
    """
    planner = _Planner(dockerfile, options, outsides, place)
    image = planner.image()
    if isinstance(image.node, Base) or not isinstance(image.node.body, RunBody):
        stage = dockerfile.stages[planner.end]
        message = f"a context takes the place of stage {stage.name}, none of whose steps is done"
        raise DockerfileError(message, location=stage.start.location)
    return image


def scratch(platform: Platform) -> PlannedImage:
    """Return the image that holds nothing."""
    base = Base(keys.base_state((), platform), SCRATCH, platform)
    return PlannedImage(base, ImageConfig(platform, ContainerConfig(working_dir="/")))


@dataclass(slots=True)
class _Planned:
    """A stage that is planned."""

    image: PlannedImage
    args: dict[str, str | None] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    platform: Platform = field(default_factory=Platform)


class _Planner:
    def __init__(
        self,
        dockerfile: Dockerfile,
        options: PlanOptions,
        outsides: Outsides,
        place: Place | None = None,
    ) -> None:
        """``place``: where the stage that is planned ends early, with a RUN."""
        self.dockerfile = dockerfile
        self.place = place
        self.options = options
        self.outsides = outsides
        self.proxy = scope.proxy_environment(options.args)
        stages = dockerfile.stages
        builtin = scope.platform_args(
            options.build_platform,
            options.platform,
            options.stage or stages[-1].name or "",
            options.args,
        )
        self.globals = scope.global_args(dockerfile.args, builtin, options.args, dockerfile.escape)
        self.bases: list[str] = []
        self.platforms: list[Platform | None] = []
        self.parents: list[int | None] = []
        named: dict[str, int] = {}
        for stage in stages:
            self._head(stage, named)
        self.named = named
        for stage in stages:
            for statement in stage.statements:
                self._check_sources(statement)
        refuse_cycles(dockerfile, self._index)
        self.done: dict[int, _Planned] = {}
        self.end = place.stage(dockerfile) if place is not None and place.line else self.target()

    def _head(self, stage: Stage, named: dict[str, int]) -> None:
        """Expand a FROM line, and see whether it names an earlier stage."""
        location, base = stage.start.location, stage.base
        name = self._expand(base.base, location)
        if not name:
            message = f"base name ({base.base}) should not be blank"
            hint: str | None = "an ARG before the first FROM can give it a default"
            raise DockerfileError(message, location=location, hint=hint)
        platform = None
        if base.platform:
            wanted = self._expand(base.platform, location)
            if not wanted:
                message = f"empty platform value from expression {base.platform}"
                hint = _nearest(base.platform.strip("${}"), self.globals)
                raise DockerfileError(message, location=location, hint=hint)
            try:
                platform = platforms.parse(wanted)
            except MkbuildError as error:
                raise DockerfileError(
                    f"failed to parse platform {base.platform}: {error.message}",
                    location=location,
                    hint=error.hint,
                ) from None
        self.bases.append(name)
        self.platforms.append(platform)
        self.parents.append(named.get(name))
        if stage.name:
            named[stage.name] = stage.index

    def _expand(self, word: str, location: Location) -> str:
        try:
            return words.expand(word, self.globals, self.dockerfile.escape)
        except MkbuildError as error:
            raise error.at(location) from None

    def _check_sources(self, statement: Statement) -> None:
        """Check a --from, also in stages that nothing needs, as BuildKit does."""
        body = statement.body
        if not isinstance(body, Copy) or not body.from_:
            return
        if body.from_.isdigit() and int(body.from_) >= len(self.dockerfile.stages):
            message = f"invalid stage index {body.from_}"
            raise DockerfileError(message, location=statement.location)

    def epoch(self) -> int | None:
        """Return the build argument SOURCE_DATE_EPOCH; raises DockerfileError for no number."""
        text = self.options.args.get("SOURCE_DATE_EPOCH") or self.globals.get("SOURCE_DATE_EPOCH")
        if not text:
            return None
        try:
            return epoch.parse(text)
        except ValueError as error:
            raise DockerfileError(f"SOURCE_DATE_EPOCH is {text!r}: {error}") from None

    def target(self) -> int:
        """Return the index of the stage to build."""
        wanted = self.options.stage
        stages = self.dockerfile.stages
        if not wanted:
            return len(stages) - 1
        if wanted.lower() in self.named:
            return self.named[wanted.lower()]
        if wanted.isdigit() and int(wanted) < len(stages):
            return int(wanted)
        names = [stage.name for stage in stages if stage.name]
        message = f'target stage "{wanted}" could not be found in {self.dockerfile.name}'
        raise DockerfileError(message, hint=_nearest(wanted.lower(), names))

    def image(self) -> PlannedImage:
        """Plan the stage to build."""
        try:
            return self.stage(self.end).image
        except RecursionError:
            message = "hundreds of stages, each of which needs the one before"
            location = self.dockerfile.stages[self.end].start.location
            raise DockerfileError(message, location=location) from None

    def stage(self, index: int) -> _Planned:
        """Plan a stage and all that it needs."""
        if index not in self.done:
            self.done[index] = self._build(index)
        return self.done[index]

    def _display(self, index: int) -> str:
        return self.dockerfile.stages[index].name or f"stage-{index}"

    def _build(self, index: int) -> _Planned:
        stage = self.dockerfile.stages[index]
        start = self._start(stage)
        own = tuple(s.body.trigger for s in stage.statements if isinstance(s.body, Onbuild))
        if stage.name and stage.name in self.options.contexts:
            # nothing of the stage is done but, as in BuildKit, what it leaves to others
            return replace(start, triggers=own)
        builder = StageBuilder(
            options=self.options,
            name=self._display(index),
            platform=start.platform,
            escape=self.dockerfile.escape,
            global_args=self.globals,
            proxy=self.proxy,
            find=lambda name, location: self._find(name, location, index),
            image=start.image,
            env=dict(start.env),
            args=dict(start.args),
            no_cache=self.options.no_cache or stage.name in self.options.no_cache_stages,
        )
        triggers = self._triggers(start.triggers, stage)
        statements: Iterable[Statement] = (*triggers, *stage.statements)
        if self.place is not None and index == self.end:
            statements = self.place.cut(stage, statements)
        for statement in statements:
            builder.apply(statement)
        return _Planned(builder.image, builder.args, builder.env, own, start.platform)

    def _start(self, stage: Stage) -> _Planned:
        """Return what a stage begins with: its base's image, environment and triggers."""
        index, location = stage.index, stage.start.location
        platform = self.platforms[index] or self.options.platform
        if stage.name and stage.name in self.options.contexts:
            image = self._image(self.outsides.context(stage.name, platform, location), platform)
            return _Planned(_quiet(image), platform=platform)
        parent = self.parents[index]
        if parent is not None:
            base = self.stage(parent)
            return replace(base, image=_quiet(base.image))
        name = self.bases[index]
        if name == SCRATCH:
            return _Planned(scratch(self.options.platform), platform=self.options.platform)
        context = references.among(name, self.options.contexts)
        if context is not None:
            found = self.outsides.context(context, platform, location)
            image = self._image(found, platform)
        else:
            image = self.outsides.image(name, platform, location)
        triggers = image.config.config.on_build
        image = _quiet(image)
        if self.platforms[index] is None and not self.options.explicit_platform:
            platform = _detected(image.config.platform, platform, self.options.build_platform)
        return _Planned(image, triggers=triggers, platform=platform)

    def _triggers(self, texts: Sequence[str], stage: Stage) -> list[Statement]:
        location = stage.start.location
        found = []
        for text in texts:
            try:
                statement = parser.parse_trigger(text, self.dockerfile.name)
            except MkbuildError as error:
                raise DockerfileError(
                    f"ONBUILD trigger {text!r} of {stage.base.base}: {error.message}",
                    location=location,
                    hint=error.hint,
                ) from None
            statement = replace(statement, location=location)
            self._check_sources(statement)
            found.append(statement)
        return found

    def _index(self, name: str) -> int | None:
        """Find a stage by its name in any case, or by its number."""
        index = self.named.get(name.lower())
        if index is None and name.isdigit():
            index = int(name)
        return index if index is not None and index < len(self.dockerfile.stages) else None

    def _find(self, name: str, location: Location, reader: int) -> Node | ContextInput:
        """Find what a COPY --from or a mount's from= names; empty means the context."""
        if not name:
            return ContextInput(self.options.target, CONTEXT)
        index = self._index(name)
        if index is not None:
            if index >= reader:
                message = (
                    f"cannot copy from stage {name!r}: it needs to be defined before "
                    f"stage {self._display(reader)!r}"
                )
                raise DockerfileError(message, location=location)
            return self.stage(index).image.node
        platform = self.options.platform
        if name == SCRATCH:
            return scratch(platform).node
        context = references.among(name, self.options.contexts)
        if context is not None:
            found = self.outsides.context(context, platform, location)
            return found if isinstance(found, ContextInput) else found.node
        return self.outsides.image(name, platform, location).node

    def _image(self, found: PlannedImage | ContextInput, platform: Platform) -> PlannedImage:
        """Return a named context as an image; a directory becomes a copy of it on nothing."""
        if isinstance(found, PlannedImage):
            return found
        empty = scratch(platform)
        location = Location(found.name)
        step = CopyStep(location, (".",), "/")
        text = f"COPY . / (context {found.name})"
        action = Action(
            empty.node, step, found, platform, self.options.target, found.name, text, location
        )
        return replace(empty, chain=(Link(action, cut=True),))


def _quiet(image: PlannedImage) -> PlannedImage:
    """Return an image without its ONBUILD: whoever begins FROM it has run that, or never will."""
    config = image.config
    return replace(image, config=config.with_config(replace(config.config, on_build=())))


def _detected(image: Platform, wanted: Platform, build: Platform) -> Platform:
    """Take an image's own platform where it is one that this machine builds for."""
    if (image.os, image.architecture) == (wanted.os, wanted.architecture):
        return wanted
    return build if (image.os, image.architecture) == (build.os, build.architecture) else wanted


def _nearest(name: str, names: Sequence[str] | dict[str, str]) -> str | None:
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), 1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are: {', '.join(sorted(names))}" if names else None
