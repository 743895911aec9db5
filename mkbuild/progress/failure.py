"""What a failed step shows: place, exit code, Dockerfile excerpt, last output."""

from collections.abc import Iterable
from dataclasses import dataclass

from mkbuild.events import StepFinished
from mkbuild.progress import text
from mkbuild.progress.excerpt import excerpt, parse


def failure(step: StepFinished, tail: Iterable[str]) -> list[str]:
    """Describe a failed step, one string a line."""
    where = f"{step.location}: " if step.location else ""
    stage = f" [{step.stage}]" if step.stage else ""
    lines = [text.clean(f"FAILED {step.target}{stage}: {where}{step.error}")]
    lines += [f"  {line}" for line in excerpt(parse(step.location))]
    shown = list(tail)
    if shown:
        lines.append(f"  last output of {text.fit(text.one_line(step.instruction), 56)}:")
        lines += [f"  | {line}" for line in shown]
    return lines


@dataclass(slots=True)
class Failures:
    """Describes the failed steps of a run: the first ones in full, further ones in a line each.

    ``full`` of them, or all where ``verbose``; beyond ``most`` they are only counted. ``width``:
    columns of a line of its own.
    """

    full: int = 20
    most: int = 10_000
    width: int = 10_000
    verbose: bool = False
    count: int = 0

    def describe(self, step: StepFinished, tail: Iterable[str]) -> list[str]:
        """Take a failed step in, and say what is to be shown of it."""
        self.count += 1
        if self.verbose or self.count <= self.full:
            return failure(step, tail)
        head, *_ = failure(step, ())
        return [text.fit(head, self.width)] if self.count <= self.most else []

    def closing(self) -> list[str]:
        """Say that there is more to be seen, where that is so."""
        if self.verbose or self.count <= self.full:
            return []
        hidden = self.count - self.most
        more = f"and {text.count(hidden, 'failed step')} more; " if hidden > 0 else ""
        return [f"({more}-v shows the output of all)"]
