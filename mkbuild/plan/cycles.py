"""Stages that read from each other in a circle: refused also where nothing needs them.

As in BuildKit, only COPY --from and RUN --mount=from= count: FROM finds earlier stages alone.
"""

from collections.abc import Callable, Iterator

from mkbuild.dockerfile import mounts
from mkbuild.dockerfile.instructions import Copy, Dockerfile, Run, Stage, Statement
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

Find = Callable[[str], int | None]
"""Finds a stage by its name or number; None for what is no stage."""


@frozen
class _Read:
    """A statement that reads from a stage."""

    statement: Statement
    stage: int


def refuse_cycles(dockerfile: Dockerfile, find: Find) -> None:
    """Raise DockerfileError, with the lines that close a circle, where there is one."""
    reads = [list(_reads(stage, find)) for stage in dockerfile.stages]
    done: set[int] = set()
    for first in range(len(reads)):
        path, way, waiting = [first], list[_Read](), [iter(reads[first])]
        while waiting:
            read = next(waiting[-1], None)
            if read is None:
                done.add(path.pop())
                waiting.pop()
                del way[-1:]
            elif read.stage in path:
                raise _circle(dockerfile, path, [*way, read])
            elif read.stage not in done:
                path.append(read.stage)
                way.append(read)
                waiting.append(iter(reads[read.stage]))


def _reads(stage: Stage, find: Find) -> Iterator[_Read]:
    for statement in stage.statements:
        match statement.body:
            case Copy(from_=str(name)):
                names = [name]
            case Run(mounts=raws):
                named = [mounts.from_of(raw) for raw in raws]
                names = [name for name in named if not name.isdigit()]  # no stage, for a mount
            case _:
                continue
        found = (find(name) for name in names if name)
        yield from (_Read(statement, index) for index in found if index is not None)


def _circle(dockerfile: Dockerfile, path: list[int], way: list[_Read]) -> DockerfileError:
    begin = path.index(way[-1].stage)
    stages = [dockerfile.stages[index] for index in (*path[begin:], way[-1].stage)]
    names = " → ".join(stage.name or f"stage-{stage.index}" for stage in stages)
    lines = [f"line {read.statement.location.line}" for read in way[begin:]]
    return DockerfileError(
        f"circular dependency between stages: {names} ({', '.join(lines)})",
        location=way[begin].statement.location,
        hint="a stage reads from stages above it: move what both need into one of its own",
    )
