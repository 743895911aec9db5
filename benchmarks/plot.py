"""Results as pictures: SVG, readable on light and dark ground (pure)."""

import math
from collections.abc import Callable, Sequence
from html import escape

from benchmarks.results import Results
from benchmarks.statistics import paired_ratio
from benchmarks.table import FAMILIES, tools_of
from benchmarks.targets import OURS, growth

_COLOURS = {
    "mkbuild-other": "#7a7a7a",
    "buildkit": "#2f7ed8",
    "buildah": "#d9822b",
    "podman": "#8c5fc7",
    "kaniko": "#2a9d6f",
    "makisu": "#c94f7c",
}
_STYLE = """\
text { font: 12px sans-serif; fill: #222 } .faint { fill: #666 } .grid { stroke: #ddd }
.axis { stroke: #888 } rect.ground { fill: #fff }
@media (prefers-color-scheme: dark) {
  text { fill: #ddd } .faint { fill: #999 } .grid { stroke: #333 } rect.ground { fill: #16181c }
}
"""
_LEFT, _WIDTH, _BAR, _GAP = 230, 780, 9, 10


def ratios(results: Results) -> str:
    """Draw how many times longer than mkbuild each peer takes, a group of bars a row."""
    rows = {name: row for name, row in results.rows.items() if not row.family}
    peers = [tool for tool in tools_of(rows.values()) if tool != OURS]
    bars = {
        name: {
            peer: ratio
            for peer in peers
            if not math.isnan(ratio := paired_ratio(row.seconds(OURS), row.seconds(peer)))
        }
        for name, row in rows.items()
    }
    bars = {name: found for name, found in bars.items() if found}
    values = [value for found in bars.values() for value in found.values()]
    low = min(0.5, *values, 1) if values else 0.5
    high = max(10.0, *values) if values else 10.0
    across = _logarithmic([low, high], _LEFT, _WIDTH - 60)
    parts: list[str] = []
    top = 44.0
    for name, found in bars.items():
        middle = top + len(found) * _BAR / 2 + 4
        parts.append(_text(_LEFT - 8, middle, name, anchor="end"))
        for peer, value in found.items():
            start, end = sorted((across(1), across(value)))
            parts.append(
                f'<rect x="{start:.1f}" y="{top:.1f}" width="{max(end - start, 1):.1f}" '
                f'height="{_BAR - 1}" fill="{_COLOURS[peer]}"/>'
            )
            parts.append(_text(max(end, across(1)) + 4, top + _BAR - 1, f"{value:.1f}", faint=True))
            top += _BAR
        top += _GAP
    ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low <= tick <= high]
    grid = [
        f'<line class="{"axis" if tick == 1 else "grid"}" x1="{across(tick):.1f}" y1="36" '
        f'x2="{across(tick):.1f}" y2="{top:.1f}"/>'
        + _text(across(tick), top + 14, f"{tick:g} ×", anchor="middle", faint=True)
        for tick in ticks
    ]
    legend = _legend(peers, "times mkbuild's, logarithmic; right of 1 is slower than mkbuild")
    return _svg(_WIDTH, top + 24, [*legend, *grid, *parts])


def growing(results: Results) -> str:
    """Draw seconds over size, both logarithmic, a picture a family."""
    panels = [(family, state) for family in FAMILIES for state in ("cold", "unchanged")]
    curves = {panel: growth(results.rows, *panel) for panel in panels}
    width, height = _WIDTH / len(FAMILIES), 240.0
    parts: list[str] = []
    seconds = [value for points in curves.values() for _, value in points] or [0.1, 1]
    low = 10 ** math.floor(math.log10(min(seconds)))
    high = 10 ** math.ceil(math.log10(max(seconds)))
    down = _logarithmic([low, high], height - 40, 40)

    for number, family in enumerate(FAMILIES):
        left, right = number * width + 44, (number + 1) * width - 16
        parts.append(_text((left + right) / 2, 24, family, anchor="middle"))
        for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
            place = down(10.0**power)
            ends = f'x1="{left:.0f}" y1="{place:.1f}" x2="{right:.0f}" y2="{place:.1f}"'
            parts.append(f'<line class="grid" {ends}/>')
            parts.append(_text(left - 4, place + 4, f"{10.0**power:g} s", anchor="end", faint=True))
        across = _logarithmic([size for size, _ in curves[family, "cold"]], left + 8, right - 8)
        for size, _ in curves[family, "cold"]:
            label = f"{size:,.0f}"
            parts.append(_text(across(size), height - 22, label, anchor="middle", faint=True))
        for state, colour in (("cold", "#2f7ed8"), ("unchanged", "#2a9d6f")):
            points = [(across(size), down(value)) for size, value in curves[family, state]]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            style = f'fill="none" stroke="{colour}" stroke-width="2"'
            parts.append(f'<polyline points="{line}" {style}/>')
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points
            ]
    parts.append(_text(_WIDTH / 2, height - 4, "blue: cold; green: unchanged", anchor="middle"))
    return _svg(_WIDTH, height, parts)


def _logarithmic(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """Return a scale that puts the least value at the start and the greatest at the end."""
    low, high = min(values, default=1.0), max(values, default=10.0)
    span = math.log(high / low) or 1.0
    return lambda value: start + math.log(value / low) / span * (end - start)


def _legend(tools: Sequence[str], note: str) -> list[str]:
    parts, left = [], float(_LEFT)
    for tool in tools:
        parts.append(f'<rect x="{left}" y="8" width="10" height="10" fill="{_COLOURS[tool]}"/>')
        parts.append(_text(left + 14, 17, tool))
        left += 30 + 7 * len(tool)
    return [*parts, _text(_LEFT, 32, note, faint=True)]


def _text(x: float, y: float, text: str, *, anchor: str = "start", faint: bool = False) -> str:
    kind = ' class="faint"' if faint else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}>{escape(text)}</text>'


def _svg(width: float, height: float, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">'
    ground = '<rect class="ground" width="100%" height="100%"/>'
    return "\n".join([head, f"<style>\n{_STYLE}</style>", ground, *parts, "</svg>"]) + "\n"
