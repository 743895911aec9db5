"""What a failed step shows: place, exit code, Dockerfile excerpt, last output."""

from collections.abc import Iterable

from mkbuild.events import StepFinished
from mkbuild.progress import text
from mkbuild.progress.excerpt import excerpt, parse


def failure(step: StepFinished, tail: Iterable[str]) -> list[str]:
    """Describe a failed step, one string a line."""
    where = f"{step.location}: " if step.location else ""
    stage = f" [{step.stage}]" if step.stage else ""
    lines = [f"FAILED {step.target}{stage}: {where}{step.error}"]
    lines += [f"  {line}" for line in excerpt(parse(step.location))]
    shown = list(tail)
    if shown:
        lines.append(f"  last output of {text.fit(text.one_line(step.instruction), 56)}:")
        lines += [f"  | {line}" for line in shown]
    return lines
