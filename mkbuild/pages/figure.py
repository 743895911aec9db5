"""The frame around drawn graphs: a part of a page with its tools, its legend and its details."""

from collections.abc import Iterable, Sequence

from mkbuild.pages.markup import Child, Markup, element


def figure(pictures: Sequence[tuple[str, Markup]], legend: Iterable[Child], about: str) -> Markup:
    """Frame one picture, or several of which one is shown; each has a name for the switch.

    ``about``: what the details that the script shows beside it are of.
    """
    switch = None
    if len(pictures) > 1:
        choices = [
            element(
                "label",
                element("input", type="radio", name="show", id=_id(name), checked=number == 0),
                name,
            )
            for number, (name, _) in enumerate(pictures)
        ]
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
        element("div", drawn, class_=f"scroll {_id(name)}", tabindex=0) for name, drawn in pictures
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


def _id(name: str) -> str:
    return "by-" + name.lower().replace(" ", "-")


def _button(text: str, name: str, label: str | None = None) -> Markup:
    return element("button", text, type="button", id=name, aria_label=label)
