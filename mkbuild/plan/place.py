"""Points in a Dockerfile, where somebody wants to see what a command would find."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from mkbuild.dockerfile.instructions import Command, Dockerfile, Run, Stage, Statement
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen
from mkbuild.location import Location

_NOTHING = Run(Command(argv=()))


@frozen
class Place:
    """A point in a stage: before the first statement that does not end above ``line``.

    ``line`` 0: the end of the stage that is to be built. ``text``: the statement's source, which
    tells apart the ONBUILD triggers of a base: all stand at their FROM; empty for any.
    """

    line: int = 0
    text: str = ""

    def stage(self, dockerfile: Dockerfile) -> int:
        """Return the stage that the line belongs to; raises DockerfileError above the first."""
        found = [s.index for s in dockerfile.stages if s.start.location.line <= self.line]
        if not found:
            first = dockerfile.stages[0].start.location.line
            raise DockerfileError(
                f"line {self.line} belongs to no stage",
                location=Location(dockerfile.name),
                hint=f"the first one begins in line {first}",
            )
        return found[-1]

    def cut(self, stage: Stage, statements: Iterable[Statement]) -> Iterator[Statement]:
        """Give statements up to this point, and the RUN that stands there, or one of no words."""
        for statement in statements:
            last = max(statement.location.line, statement.location.end_line)
            if 0 < self.line <= last and self.text in {"", statement.source}:
                is_run = isinstance(statement.body, Run)
                yield statement if is_run else replace(statement, body=_NOTHING)
                return
            yield statement
        yield replace(stage.start, body=_NOTHING)
