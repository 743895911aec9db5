"""The frame around drawn graphs: a part of a page with its tools, its legend and its details."""

from collections.abc import Iterable, Sequence

from mkbuild.frozen import frozen
from mkbuild.pages.markup import Child, Markup, element


@frozen
class Picture:
    """A drawn graph and its name; ``overview``: it stands for many items, grouped."""

    name: str
    drawn: Markup
    overview: bool = False

    @property
    def kind(self) -> str:
        """Its class, by which the script finds it."""
        return "overview" if self.overview else "main"


def figure(pictures: Sequence[Picture], legend: Iterable[Child], about: str) -> Markup:
    """Frame a picture, or two of which one is shown, the first at first.

    ``about``: what the details that the script shows beside it are of.
    """
    switch = None
    if len(pictures) > 1:
        choices = [_choice(shown, checked=shown is pictures[0]) for shown in pictures]
        hidden = element("legend", "Show", class_="unseen")
        switch = element("fieldset", hidden, *choices, class_="switch")
    tools = element(
        "div",
        _button("-", "smaller", "Smaller"),
        _button("+", "larger", "Larger"),
        _button("Fit", "fit"),
        class_="tools scripted",
        hidden=True,
    )
    scrollers = [
        element("div", shown.drawn, class_=f"scroll {shown.kind}", tabindex=0) for shown in pictures
    ]
    return element(
        "section",
        element(
            "div",
            element("h2", "Graph", id="graph-title"),
            switch,
            element("p", "What is built first stands left.", class_="soft"),
            tools,
            class_="bar",
        ),
        element("a", "Skip the graph", href="#list", class_="skip"),
        element(
            "div",
            element("div", *scrollers, class_="pictures"),
            element("aside", id="detail", class_="detail", aria_label=about, hidden=True),
            class_="beside",
        ),
        element("ul", *(element("li", item) for item in legend), class_="legend"),
        class_="wide figure",
        aria_labelledby="graph-title",
    )


def sample(kind: str, text: str) -> list[Child]:
    """Explain a kind of line."""
    path = element("path", d="M0 6H34", class_=f"line {kind}")
    return [element("svg", path, width=34, height=12, aria_hidden="true"), text]


def swatch(kind: str, text: str) -> list[Child]:
    """Explain a kind of box."""
    return [element("span", class_=f"swatch {kind}"), text]


def _choice(shown: Picture, *, checked: bool) -> Markup:
    name = f"show-{shown.kind}"
    box = element("input", type="radio", name="show", id=name, checked=checked)
    return element("label", box, shown.name)


def _button(text: str, name: str, label: str | None = None) -> Markup:
    return element("button", text, type="button", id=name, aria_label=label)
