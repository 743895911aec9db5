"""What a Dockerfile refers to outside itself, for one target stage, arguments and platform.

Only stages that are needed count. Names are resolved as BuildKit does: FROM, in which variables
from before the first FROM may stand, finds earlier stages by their name in lower case (so a
mixed-case FROM finds none); COPY --from and RUN --mount=from find stages in any case and by
number; a named context stands before the stage of its name.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from mkbuild.dockerfile import mounts, parser, words
from mkbuild.dockerfile.instructions import Arg, Copy, Dockerfile, Onbuild, Run, Stage, Statement
from mkbuild.errors import DockerfileError, MkbuildError
from mkbuild.frozen import frozen
from mkbuild.location import Location
from mkbuild.oci.model import Platform

Kind: TypeAlias = Literal["FROM", "COPY --from", "RUN --mount"]

SCRATCH = "scratch"


@frozen
class Reference:
    """A name that is no stage: expanded in ``name``, as written in ``text``; its stage's number."""

    name: str
    location: Location
    kind: Kind
    text: str
    stage: int


@frozen
class Needs:
    """The stages that are needed (numbers, ascending), and what they refer to outside."""

    stages: tuple[int, ...]
    references: tuple[Reference, ...]


Triggers: TypeAlias = Callable[[str], Sequence[str]]
"""Gives the ONBUILD instructions that a base brings, by its name in a FROM."""


def no_triggers(name: str) -> Sequence[str]:  # noqa: ARG001 -- the Triggers shape
    """Bring nothing: what bases outside bring is known once they are pulled."""
    return ()


@frozen
class Build:
    """What decides which stages are needed and what names expand to."""

    stage: str | None
    args: Mapping[str, str]
    platform: Platform
    build_platform: Platform
    contexts: Container[str] = ()
    triggers: Triggers = no_triggers


def needs(dockerfile: Dockerfile, build: Build) -> Needs:
    """Find needed stages and outside references; raises DockerfileError, located."""
    walk = _Walk(dockerfile, build)
    walk.visit(stage_index(dockerfile, build.stage))
    # An ONBUILD instruction stands at its FROM, and comes after it.
    found = sorted(
        walk.references.values(),
        key=lambda r: (r.stage, r.location.line, r.kind != "FROM", r.kind, r.name),
    )
    return Needs(tuple(sorted(walk.seen)), tuple(found))


class _Walk:
    def __init__(self, dockerfile: Dockerfile, build: Build) -> None:
        self.dockerfile = dockerfile
        self.build = build
        self.named = {stage.name: stage.index for stage in dockerfile.stages if stage.name}
        self.globals = self._globals()
        self.seen: set[int] = set()
        self.references: dict[tuple[Kind, str, Location], Reference] = {}

    def visit(self, first: int) -> None:
        """Visit a stage and all that it needs, without recursion."""
        waiting = [first]
        while waiting:
            index = waiting.pop()
            if index not in self.seen:
                self.seen.add(index)
                waiting += self._stage(self.dockerfile.stages[index])

    def _stage(self, stage: Stage) -> list[int]:
        needed: list[int] = []
        if stage.name and stage.name in self.build.contexts:
            text = f"FROM {stage.base.base} AS {stage.base.alias or stage.name}"
            self._refer(stage.name, stage.start.location, "FROM", text, stage.index)
            return needed
        name = self.base(stage)
        parent = self._parent(stage, name)
        triggers: Sequence[str] = ()
        if parent is not None:
            needed.append(parent)
            triggers = triggers_of(self.dockerfile.stages[parent])
        elif name != SCRATCH:
            self._refer(name, stage.start.location, "FROM", f"FROM {stage.base.base}", stage.index)
            triggers = self.build.triggers(name)
        for statement in (*self._triggered(triggers, stage), *stage.statements):
            needed += self._statement(statement, stage.index)
        return needed

    def _triggered(self, triggers: Sequence[str], stage: Stage) -> list[Statement]:
        location = stage.start.location
        try:
            found = [parser.parse_trigger(text, self.dockerfile.name) for text in triggers]
        except MkbuildError as error:
            raise DockerfileError(
                f"ONBUILD of {stage.base.base}: {error.message}", location=location, hint=error.hint
            ) from None
        return [replace(statement, location=location) for statement in found]

    def base(self, stage: Stage) -> str:
        """Return a FROM's name, expanded with what stands before the first FROM."""
        name = self._expand(stage.base.base, self.globals, stage.start.location)
        if not name:
            raise DockerfileError(
                f"the base {stage.base.base!r} expands to nothing",
                location=stage.start.location,
                hint="give the ARG before the first FROM a default, or set it under args:",
            )
        return name

    def _parent(self, stage: Stage, name: str) -> int | None:
        earlier = self.dockerfile.stages[: stage.index]
        return next((other.index for other in reversed(earlier) if other.name == name), None)

    def _statement(self, statement: Statement, reader: int) -> list[int]:
        """Return the stages that a statement needs; BuildKit allows no variables in these names."""
        where = statement.location
        match statement.body:
            case Copy(from_=name) if name:
                return self._source(name, "COPY --from", f"COPY --from={name}", where, reader)
            case Run(mounts=raws):
                needed: list[int] = []
                for raw in raws:
                    name = mounts.from_of(raw)
                    if name:
                        text = f"RUN --mount={raw}"
                        needed += self._source(name, "RUN --mount", text, where, reader)
                return needed
            case _:
                return []

    def _source(
        self, name: str, kind: Kind, text: str, location: Location, reader: int
    ) -> list[int]:
        index = self.named.get(name.lower())
        if index is None and name.isdecimal():
            index = int(name)
        if index is not None and index < len(self.dockerfile.stages):
            # A later stage cannot be read: saying so is the plan's business.
            return [index] if index < reader else []
        if name != SCRATCH:
            self._refer(name, location, kind, text, reader)
        return []

    def _refer(self, name: str, location: Location, kind: Kind, text: str, stage: int) -> None:
        reference = Reference(name, location, kind, text, stage)
        self.references.setdefault((kind, name, location), reference)

    def _globals(self) -> dict[str, str]:
        stage = self.build.stage or self.dockerfile.stages[-1].name
        scope = platform_args(self.build, stage or "default")
        for statement in self.dockerfile.args:
            assert isinstance(statement.body, Arg)  # noqa: S101 -- by construction
            for name, default in statement.body.pairs:
                if name in self.build.args:
                    scope[name] = self.build.args[name]
                elif default is not None:
                    scope[name] = self._expand(default, scope, statement.location)
        return scope

    def _expand(self, word: str, scope: Mapping[str, str], location: Location) -> str:
        try:
            return words.expand(word, scope, self.dockerfile.escape)
        except MkbuildError as error:
            raise error.at(location) from None


def triggers_of(stage: Stage) -> tuple[str, ...]:
    """Return the ONBUILD instructions that a stage leaves to those that begin FROM it."""
    bodies = (statement.body for statement in stage.statements)
    return tuple(body.trigger for body in bodies if isinstance(body, Onbuild))


def stage_index(dockerfile: Dockerfile, wanted: str | None) -> int:
    """Return the number of the stage to build, by name or number (None: the last)."""
    stages = dockerfile.stages
    if not wanted:
        return len(stages) - 1
    named = {stage.name: stage.index for stage in stages if stage.name}
    if wanted.lower() in named:
        return named[wanted.lower()]
    if wanted.isdecimal() and int(wanted) < len(stages):
        return int(wanted)
    raise DockerfileError(
        f"there is no stage {wanted!r}",
        location=Location(dockerfile.name),
        hint=f"stages: {', '.join(named) or 'none has a name'}",
    )


def platform_args(build: Build, stage: str) -> dict[str, str]:
    """Return the ARGs that every FROM sees (Dockerfile reference, "Automatic platform ARGs")."""
    values = {"TARGETSTAGE": stage}
    for prefix, platform in (("TARGET", build.platform), ("BUILD", build.build_platform)):
        values |= {
            f"{prefix}PLATFORM": str(platform),
            f"{prefix}OS": platform.os,
            f"{prefix}OSVERSION": platform.os_version,
            f"{prefix}ARCH": platform.architecture,
            f"{prefix}VARIANT": platform.variant,
        }
    return {name: build.args.get(name, value) for name, value in values.items()}
