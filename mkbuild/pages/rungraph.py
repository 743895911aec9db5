"""The steps of a run as a graph; of many, the targets that they are of."""

from collections import Counter

from mkbuild.pages.figure import Picture, figure, sample, swatch
from mkbuild.pages.markup import Markup
from mkbuild.pages.picture import Link, Node, picture
from mkbuild.pages.story import MARKS, Story
from mkbuild.progress import text

MANY = 150
"""Above so many steps, the first picture is one of targets."""
MOST = 1500
"""Above so many, steps are not drawn."""


def run_graph(story: Story) -> Markup | None:
    """Return the part of the page with the pictures; None where there are no steps."""
    if not story.steps:
        return None
    pictures = [Picture("Steps", _steps(story))] if len(story.steps) <= MOST else []
    if len(story.by_target) > 1 or not pictures:
        many = len(story.steps) > MANY
        pictures.insert(0 if many else 1, Picture("Targets", _targets(story), overview=True))
    legend = [swatch(status, f"{MARKS[status]} {status}") for status in story.counts]
    legend += [sample("from", "goes on from"), sample("copy", "copies from")]
    if story.critical:
        legend.append(swatch("critical", "on the critical path"))
    return figure(pictures, legend, "Step")


def _steps(story: Story) -> Markup:
    nodes = [
        Node(
            key,
            text.fit(bar.title, 34),
            _note(story, key),
            f"#t{story.numbers[key]}",
            f"{bar.entry['target']} {bar.entry['location']}\n{bar.title}\n{_note(story, key)}",
            (story.status(key), "critical" if bar.id in story.critical else "calm"),
        )
        for key, bar in story.steps.items()
    ]
    links = [
        Link(parent, key, "from" if first else "copy", "")
        for key, bar in story.steps.items()
        for first, parent in _parents(story, key)
    ]
    label = "Graph of steps; the list below says the same in words"
    return picture(nodes, links, label=label, numbers=story.numbers)


def _parents(story: Story, key: str) -> list[tuple[bool, str]]:
    """Return the steps that a step reads; whether it goes on from them."""
    parents = story.steps[key].entry["components"].get("parents", ())
    return [(n == 0, parent) for n, parent in enumerate(parents) if parent in story.steps]


def _note(story: Story, key: str) -> str:
    bar = story.steps[key]
    stage = f"[{bar.entry['stage']}]" if bar.entry["stage"] else ""
    status = story.status(key)
    took = story.seconds_of(key)
    words = [f"{bar.entry['target']} {stage}".strip(), f"{MARKS[status]} {status} {took}".strip()]
    return " · ".join(words)


def _targets(story: Story) -> Markup:
    numbers = {label: number for number, label in enumerate(story.by_target)}
    nodes = []
    for label, keys in story.by_target.items():
        counts = Counter(story.status(key) for key in keys)
        took = sum(story.steps[key].seconds for key in keys)
        note = " ".join(f"{MARKS[name]}{counts[name]}" for name in MARKS if counts[name])
        worst = next(
            n for n in ("failed", "ran", "skipped", "hit-remote", "hit-local") if counts[n]
        )
        critical = any(story.steps[key].id in story.critical for key in keys)
        nodes.append(
            Node(
                label,
                label,
                " · ".join([note, *([] if story.again or not took else [text.seconds(took)])]),
                f"#f{numbers[label]}",
                label,
                (worst, "critical" if critical else "calm"),
            )
        )
    links = {
        (source, label): Link(source, label, "from", "")
        for label, keys in story.by_target.items()
        for key in keys
        for _, parent in _parents(story, key)
        if (source := str(story.steps[parent].entry["target"])) != label
    }
    label = "Graph of targets; the list below says the same in words"
    return picture(nodes, list(links.values()), label=label, numbers=numbers)
