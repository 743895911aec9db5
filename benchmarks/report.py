"""Writes docs/performance.md and its plots from results; the prose is in method.md beside this."""

from pathlib import Path
from string import Template

from benchmarks import plot, table
from benchmarks.results import Results
from benchmarks.targets import TARGETS

_METHOD = Path(__file__).with_name("method.md")


def write(results: Results, page: Path) -> None:
    """Write the page, and ``performance-ratios.svg`` and ``performance-growth.svg`` beside it."""
    page.write_text(render(results))
    page.with_name(f"{page.stem}-ratios.svg").write_text(plot.ratios(results))
    page.with_name(f"{page.stem}-growth.svg").write_text(plot.growing(results))


def render(results: Results) -> str:
    """Return the page."""
    copy = max((row.floors.get("copy", 0.0) for row in results.rows.values()), default=0.0)
    judged = [target.judge(results.rows).met for target in TARGETS]
    failures = table.failures(results)
    return Template(_METHOD.read_text()).substitute(
        date=results.date,
        rounds="1 round" if results.rounds == 1 else f"{results.rounds} rounds",
        machine="; ".join(f"{name}: {value}" for name, value in results.machine.items()),
        versions="\n".join(f"- {value or name}" for name, value in results.versions.items()),
        scale="" if results.scale == 1 else f" Sizes were scaled by {results.scale:g}.",
        times=table.times(results),
        met=sum(met is True for met in judged),
        missed=sum(met is False for met in judged),
        unknown=sum(met is None for met in judged),
        verdicts=table.verdicts(results),
        floors=table.floors(results),
        copy=f"{copy / 1e9:.1f}",
        memory=table.memory(results),
        blobs=table.blobs(results),
        growing=table.growing(results),
        equivalence=table.equivalence(results),
        failures=f"\nWhat failed:\n\n{failures}\n" if failures else "",
        elsewhere=table.elsewhere(),
    )
