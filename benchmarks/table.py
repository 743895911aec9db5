"""Results as tables of Markdown (pure)."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from benchmarks.results import Results, Row
from benchmarks.statistics import exponent, last_exponent, median, paired_ratio
from benchmarks.targets import ELSEWHERE, OURS, TARGETS, growth

_ORDER = (OURS, "mkbuild-other", "buildkit", "buildah", "podman", "kaniko", "makisu")
_FLOORS = {
    "walk": "scandir + lstat",
    "sha256": "tar \\| sha256sum",
    "zstd": "tar \\| zstd -3 -T2",
    "upload": "upload of that",
    "critical": "critical path",
    "python": "Python's start",
}
FAMILIES = ("files", "targets", "steps")


def tools_of(rows: Iterable[Row]) -> list[str]:
    """Return the tools that rows have samples of, ours first."""
    found = {tool for row in rows for tool in (*row.samples, *row.failures)}
    return sorted(found, key=_ORDER.index)


def render_row(row: Row) -> str:
    """Return a row as lines for a terminal: seconds, ratio, processor time and memory by tool."""
    lines = [f"{row.workload}: {row.state}"]
    for tool in tools_of([row]):
        if tool in row.failures and tool not in row.samples:
            lines.append(f"  {tool:13} failed: {row.failures[tool].splitlines()[-1][:80]}")
            continue
        samples = row.samples[tool]
        ratio = paired_ratio(row.seconds(OURS), row.seconds(tool))
        words = [f"{median(row.seconds(tool)):8.2f} s", f"{_number(ratio, '.1f'):>6} ×"]
        words += [f"cpu {median([sample.cpu for sample in samples]):7.2f} s"]
        words += [f"memory {row.memory(tool) / (1 << 20):6.0f} MiB"]
        counted = [float(s.instructions) for s in samples if s.instructions is not None]
        words += [f"{median(counted) / 1e9:.2f} G instructions"] if counted else []
        words += [f"{name} {row.fact(tool, name):,.0f}" for name in sorted(samples[0].facts)]
        lines.append(f"  {tool:13} {'  '.join(words)}")
        if row.differences.get(tool):
            lines.append(f"    not the same image: {row.differences[tool]}")
    floors = [f"{name} {value:.3g}" for name, value in row.floors.items()]
    return "\n".join([*lines, f"  floors        {', '.join(floors)}"])


def times(results: Results) -> str:
    """Return median seconds by row and tool, in parentheses times ours."""

    def cell(row: Row, tool: str) -> str:
        if tool in row.failures and tool not in row.samples:
            return "failed"
        seconds = row.seconds(tool)
        if not seconds:
            return ""
        if tool == OURS:
            return f"**{median(seconds):.2f}**"
        return f"{median(seconds):.2f} ({paired_ratio(row.seconds(OURS), seconds):.1f} ×)"

    return _by_tool(results, cell)


def memory(results: Results) -> str:
    """Return peak MiB / seconds of processor time by row and tool."""

    def cell(row: Row, tool: str) -> str:
        samples = row.samples.get(tool)
        if not samples:
            return ""
        cpu = median([sample.cpu for sample in samples])
        return f"{row.memory(tool) / (1 << 20):.0f} / {cpu:.2f}"

    return _by_tool(results, cell)


def blobs(results: Results) -> str:
    """Return megabytes of pushed layers, and of bytes moved where they were counted."""

    def cell(row: Row, tool: str) -> str:
        moved = row.fact(tool, "moved")
        if not math.isnan(moved):
            return f"{moved / 1e6:.2f} moved"
        return _number(row.fact(tool, "blobs") / 1e6, ".1f")

    names = {name for name, row in results.rows.items() if "blobs" in _facts(row)}
    some = ("manyfiles: cold", "bigfile", "fresh", "large")
    return _by_tool(
        results, cell, [name for name in results.rows if name in names and name.startswith(some)]
    )


def _facts(row: Row) -> Mapping[str, float]:
    return next((samples[0].facts for samples in row.samples.values() if samples), {})


def _by_tool(
    results: Results, cell: Callable[[Row, str], str], names: Sequence[str] | None = None
) -> str:
    rows = {name: row for name, row in results.rows.items() if not row.family}
    chosen = {name: rows[name] for name in (rows if names is None else names)}
    tools = tools_of(chosen.values())
    return _table(
        ["workload", *tools],
        [[name, *(cell(row, tool) for tool in tools)] for name, row in chosen.items()],
    )


def verdicts(results: Results, *, known: bool = False) -> str:
    """Return every target with what was measured; ``known``: only those that were."""
    lines = []
    for target in TARGETS:
        verdict = target.judge(results.rows)
        if known and verdict.met is None:
            continue
        answer = {True: "met", False: "**missed**", None: ""}[verdict.met]
        lines.append([target.row, target.wanted, verdict.text, answer])
    return _table(["workload", "to reach", "measured", ""], lines)


def floors(results: Results) -> str:
    """Return what plain tools need for the same data, in seconds."""
    rows = {name: row for name, row in results.rows.items() if not row.family}
    lines = [
        [
            name,
            f"**{_number(median(row.seconds(OURS)), '.2f')}**",
            *(_number(row.floors.get(floor, math.nan), ".2f") for floor in _FLOORS),
        ]
        for name, row in rows.items()
    ]
    return _table(["workload", OURS, *_FLOORS.values()], lines)


def growing(results: Results) -> str:
    """Return seconds by size, and the exponents of the fits."""
    lines = []
    for family in FAMILIES:
        for state in ("cold", "unchanged"):
            points = growth(results.rows, family, state)
            if points:
                seconds = ", ".join(f"{size:,.0f}: {value:.2f} s" for size, value in points)
                fitted, last = exponent(points), last_exponent(points)
                lines.append([family, state, seconds, _number(fitted, ".2f"), _number(last, ".2f")])
    header = ["what grows", "state", "seconds", "exponent", "between the largest two"]
    return _table(header, lines)


def equivalence(results: Results) -> str:
    """Say which images were compared, and what differed."""
    compared = sum(len(row.differences) for row in results.rows.values())
    found = [
        f"- {name}, {tool}: {text}"
        for name, row in results.rows.items()
        for tool, text in row.differences.items()
        if text
    ]
    start = f"{compared} images of peers were compared with mkbuild's, entry by entry"
    return (
        f"{start}: all were equal." if not found else "\n".join([f"{start}; these differ:", *found])
    )


def failures(results: Results) -> str:
    """Say which tools failed where."""
    return "\n".join(
        f"- {name}, {tool}: `{text.strip().splitlines()[-1][:150]}`"
        for name, row in results.rows.items()
        for tool, text in row.failures.items()
    )


def elsewhere() -> str:
    """Return the peers' seconds on another machine."""
    lines = [[name, *values] for name, values in ELSEWHERE.items()]
    return _table(["workload", "BuildKit", "buildah 1.28 / newest", "kaniko", "Makisu"], lines)


def _number(value: float, form: str) -> str:
    return "" if math.isnan(value) else format(value, form)


def _table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    rule = ["---", *("--:" for _ in header[1:])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *lines])
