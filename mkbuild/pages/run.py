"""The page of ``log --html``: what a run did, why, in what time, and what came of it."""

import shlex

from mkbuild.pages.filters import filter_form
from mkbuild.pages.gantt import gantt
from mkbuild.pages.images import image_list
from mkbuild.pages.markup import Child, Markup, element, join
from mkbuild.pages.page import page
from mkbuild.pages.rungraph import run_graph
from mkbuild.pages.steps import step_list, tail
from mkbuild.pages.story import MARKS, Story
from mkbuild.progress import text


def run_page(story: Story) -> str:
    """Return the whole page."""
    parts: list[Child] = [_failure(story)]
    if not story.again:
        parts.append(gantt(story))
    parts += [run_graph(story), step_list(story), image_list(story), _published(story)]
    return page(
        f"{_title(story)} · {story.result}",
        _heading(story),
        *parts,
        scripts=("graph.js", "explore.js"),
    )


def _heading(story: Story) -> Markup:
    document = story.document
    kind, mark = _RESULTS[story.result]
    mark = element("span", mark, aria_hidden="true")
    result = element("span", mark, f" {story.result}", class_=f"chip result {kind}")
    started = str(document["started"]).replace("T", " ").replace("Z", " UTC")
    about = [
        started,
        f"run {story.name}",
        _git(story),
        f"mkbuild {document['mkbuild']}",
        "nothing was to do: an earlier run's result still stood" if story.again else "",
    ]
    return join(
        [
            element("h1", _title(story), " ", result),
            element("p", " · ".join(filter(None, about)), class_="soft"),
            element("p", element("code", _command(story)), class_="soft command"),
            element("dl", *_figures(story), class_="figures"),
            filter_form("instruction, target, file, status, reason") if story.steps else None,
        ]
    )


_NAMED = 6
"""Targets that the title names."""
_RESULTS = {"built": ("good", "✓"), "failed": ("failed", "✗"), "stopped": ("skipped", "○")}
"""How a run ended: a class of the style, and a mark."""


def _title(story: Story) -> str:
    wanted = story.document["wanted"]
    more = f" and {len(wanted) - _NAMED} more" if len(wanted) > _NAMED else ""
    return ", ".join(wanted[:_NAMED]) + more


def _git(story: Story) -> str:
    git = story.document["git"]
    if story.again or not git.get("sha"):
        return ""
    return f"git {git['sha'][:12]}" + (" with changes" if git.get("dirty") == "true" else "")


def _command(story: Story) -> str:
    return f"{story.document['directory']} $ mkbuild {shlex.join(story.document['arguments'])}"


def _figures(story: Story) -> list[Markup]:
    written = sum(layer.entry["size"] for layer in story.timeline.layers)
    moved = [t.entry["size"] for t in story.timeline.transfers]
    figures = [("took", text.seconds(story.seconds))]
    figures += [(f"{MARKS[status]} {status}", str(n)) for status, n in story.counts.items()]
    figures.append(("images", str(len(story.document["targets"]))))
    if not story.again:
        figures += [("layers written", text.size(written))] if written else []
        figures += [("moved", text.size(sum(moved)))] if moved else []
    return [element("div", element("dt", name), element("dd", figure)) for name, figure in figures]


def _failure(story: Story) -> Markup | None:
    """Return what made the run fail."""
    if story.result != "failed":
        return None
    failed = [key for key in story.steps if story.status(key) == "failed"]
    parts: list[Child] = []
    for key in failed:
        entry = story.steps[key].entry
        parts += [
            element(
                "p",
                element("strong", str(entry["target"])),
                " ",
                story.reference(key, text.fit(story.steps[key].title, 100)),
            ),
            element("p", element("code", str(entry["location"])), ": ", str(entry["error"])),
            tail(entry),
        ]
    if not failed:
        where = str(story.document["place"])
        place = [element("code", where), ": "] if where else None
        parts.append(element("p", place, str(story.document["error"])))
    return element(
        "section",
        element("h2", "What failed", id="failed-title"),
        element("div", *parts, class_="failure"),
        class_="wide",
        aria_labelledby="failed-title",
    )


def _published(story: Story) -> Markup | None:
    tags = [] if story.again else story.document["published"]
    if not tags:
        return None
    rows = [
        element(
            "tr",
            element("td", element("code", tag["name"])),
            element("td", element("code", text.short(tag["digest"]), title=tag["digest"])),
            element("td", "moved" if tag["moved"] else "stood there before"),
        )
        for tag in tags
    ]
    head = element("tr", *(element("th", name, scope="col") for name in ("Tag", "Digest", "")))
    table = element("table", element("thead", head), element("tbody", *rows))
    return element(
        "section",
        element("h2", "Pushed"),
        element("div", table, class_="sheet"),
        class_="wide",
    )
