"""A run over time: bars on the lanes that they ran on, and the chain that took the time."""

import math
from collections.abc import Iterable, Iterator

from mkbuild.pages.markup import Child, Markup, element
from mkbuild.pages.story import Story
from mkbuild.progress import text
from mkbuild.progress.timeline import Bar, Link, lanes

_ROW = 26
_BAR = 20
_AXIS = 22
_TICKS = 16
"""At most so many times are named; at least half as many."""
_SHARE = 0.005
"""Of the duration: what took less is left out of the critical path's list."""
_WAITED = 0.1
"""Seconds: less than this is no waiting worth a word."""


def gantt(story: Story) -> Markup:
    """Return the part of the page with the timeline and the critical path."""
    return element(
        "section",
        element(
            "div",
            element("h2", "Timeline", id="time-title"),
            element("p", "Marked bars are the critical path.", class_="soft"),
            element(
                "div",
                element("button", "-", type="button", id="shorter", aria_label="Shorter"),
                element("button", "+", type="button", id="longer", aria_label="Longer"),
                element("button", "Fit", type="button", id="whole"),
                class_="tools scripted",
                hidden=True,
            ),
            class_="bar",
        ),
        element("div", _drawn(story), class_="scroll time", tabindex=0),
        element(
            "details",
            element("summary", element("h3", "Critical path"), _total(story.path)),
            element("ol", *(_link(story, link) for link in story.path if _counts(link))),
            class_="critical-path",
            open=True,
        ),
        class_="wide",
        aria_labelledby="time-title",
    )


def _counts(link: Link) -> bool:
    return link.share >= _SHARE


def _total(path: Iterable[Link]) -> Markup:
    took = sum(link.bar.seconds for link in path)
    return element("span", f"{text.seconds(took)} in all", class_="soft")


def _link(story: Story, link: Link) -> Markup:
    waited = f" after {text.seconds(link.waited)} of waiting" if link.waited >= _WAITED else ""
    return element(
        "li",
        element("span", text.seconds(link.bar.seconds), class_="number"),
        element("span", f"{link.share:.0%}", class_="number soft"),
        element("span", *_named(story, link.bar), element("span", waited, class_="soft")),
    )


def _named(story: Story, bar: Bar) -> list[Child]:
    if bar.kind == "step":
        shown = text.fit(bar.title, 100)
        return [element("strong", str(bar.entry["target"])), " ", story.reference(bar.key, shown)]
    target = str(bar.entry.get("target", ""))
    return [element("strong", target), " ", bar.title] if target else [bar.title]


def _drawn(story: Story) -> Markup:
    timeline = story.timeline
    rows = list(_rows(timeline.phases, "phases"))
    work = [bar for bar in (*timeline.steps, *timeline.layers) if bar.seconds > 0]
    rows += _rows(work, "job slot")
    rows += _rows([bar for bar in timeline.transfers if bar.seconds > 0], "transfer")
    whole = max([timeline.seconds, *(bar.end for _, bars in rows for bar in bars)]) or 1.0
    height = _AXIS + _ROW * len(rows)
    return element(
        "svg",
        element("defs", _hatch()),
        *_ticks(whole, height),
        *(
            _bar(story, bar, whole, _AXIS + _ROW * number)
            for number, (_, bars) in enumerate(rows)
            for bar in bars
        ),
        width="100%",
        height=height,
        role="group",
        aria_label="Timeline; the critical path and the list of steps say the same in words",
        class_="gantt",
    )


def _rows(bars: Iterable[Bar], name: str) -> Iterator[tuple[str, list[Bar]]]:
    """Put bars on as few rows as they need."""
    known = list(bars)
    lane = lanes(known)
    found: list[list[Bar]] = [[] for _ in range(max(lane.values(), default=-1) + 1)]
    for bar in known:
        found[lane[bar.id]].append(bar)
    return ((f"{name} {number + 1}", row) for number, row in enumerate(found))


def _hatch() -> Markup:
    line = element("path", d="M0 6L6 0M-1 1L1 -1M5 7L7 5")
    return element("pattern", line, id="hatch", width=6, height=6, patternUnits="userSpaceOnUse")


def _ticks(whole: float, height: int) -> Iterator[Markup]:
    """Draw lines at round times."""
    power = 10.0 ** math.floor(math.log10(2 * whole / _TICKS))
    step = next(power * n for n in (1, 2, 5, 10) if whole / (power * n) <= _TICKS)
    for number in range(math.floor(whole / step) + 1):
        at = f"{100 * number * step / whole:.3f}%"
        yield element("line", x1=at, x2=at, y1=0, y2=height, class_="tick")
        if number * step < 0.95 * whole:
            yield element("text", _time(number * step, step), x=at, dx=4, y=12, class_="when")


def _time(seconds: float, step: float) -> str:
    if step < 1:
        places = max(0, -math.floor(math.log10(step)))
        return f"{seconds:.{places}f}s"
    return text.seconds(seconds) if seconds else "0s"


def _bar(story: Story, bar: Bar, whole: float, y: int) -> Markup:
    critical = bar.id in story.critical
    status = str(bar.entry.get("status", bar.kind))
    title = [bar.title, f"{text.seconds(bar.seconds)}, from {text.seconds(bar.begin)}"]
    target = str(bar.entry.get("target", ""))
    if critical:
        title.append("on the critical path")
    mark = "◆ " if critical else ""
    shown = element(
        "svg",
        element("title", "\n".join([f"{target} {title[0]}".strip(), *title[1:]])),
        element("rect", width="100%", height=_BAR, rx=3),
        element("rect", width="100%", height=_BAR, rx=3, class_="hatch") if critical else None,
        element("text", mark, f"{target} {bar.title}".strip(), x=6, y=14),
        x=f"{100 * bar.begin / whole:.3f}%",
        y=y,
        width=f"{max(100 * bar.seconds / whole, 0.05):.3f}%",
        height=_BAR,
        class_=" ".join(["bar-box", status, *(["critical"] if critical else [])]),
    )
    if bar.kind != "step":
        return shown
    return element("a", shown, href=f"#t{story.numbers[bar.key]}", data_n=story.numbers[bar.key])
