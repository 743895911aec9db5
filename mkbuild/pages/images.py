"""The images of a run: their names, digests, and layers with sizes."""

from collections.abc import Mapping, Sequence
from typing import Any

from mkbuild.pages.markup import Markup, element
from mkbuild.pages.story import Story
from mkbuild.progress import text


def image_list(story: Story) -> Markup | None:
    """Return the part of the page with the images; None where none was finished."""
    targets = story.document["targets"]
    if not targets:
        return None
    written = {layer.key for layer in story.timeline.layers} if not story.again else set()
    images = [image for target in targets.values() for image in target["images"]]
    largest = max((layer["size"] for image in images for layer in image["layers"]), default=0)
    cards = [_card(label, target, written, largest) for label, target in targets.items()]
    return element("section", element("h2", "Images"), *cards, class_="wide")


def _card(label: str, target: Mapping[str, Any], written: set[str], largest: int) -> Markup:
    images: Sequence[Mapping[str, Any]] = target["images"]
    layers = {layer["digest"]: layer for image in images for layer in image["layers"]}
    size = sum(layer["size"] for layer in layers.values())
    names = [name for name in str(target["image.name"]).split(",") if name]
    digest = str(target["containerimage.digest"])
    return element(
        "details",
        element(
            "summary",
            element("code", label, class_="name"),
            element(
                "span", f"{text.count(len(layers), 'layer')}, {text.size(size)}", class_="soft"
            ),
            _strip(list(layers.values()), written, size),
        ),
        element(
            "dl",
            element("div", element("dt", "Digest"), element("dd", element("code", digest))),
            element(
                "div",
                element("dt", "Names"),
                *(element("dd", element("code", name)) for name in names),
            )
            if names
            else None,
            class_="facts",
        ),
        *(_table(image, written, largest, several=len(images) > 1) for image in images),
        class_="card image",
    )


def _kind(layer: Mapping[str, Any], written: set[str]) -> str:
    if layer["digest"] in written:
        return "new"
    return "base" if layer["base"] else "own"


_KINDS = {"base": "of the base", "own": "kept", "new": "written now"}


def _strip(layers: Sequence[Mapping[str, Any]], written: set[str], whole: int) -> Markup:
    """Draw the layers of an image side by side, as long as they are large."""
    parts, at = [], 0.0
    for layer in layers:
        share = 100 * layer["size"] / whole if whole else 0.0
        kind = _kind(layer, written)
        title = f"{text.size(layer['size'])} {_KINDS[kind]}: {layer['created_by']}"
        parts.append(
            element(
                "rect",
                element("title", title),
                x=f"{at:.3f}%",
                width=f"{share:.3f}%",
                height=8,
                class_=f"part {kind}",
            )
        )
        at += share
    return element("svg", *parts, width="100%", height=8, class_="strip", aria_hidden="true")


def _table(image: Mapping[str, Any], written: set[str], largest: int, *, several: bool) -> Markup:
    rows = [
        element(
            "tr",
            element("td", text.size(layer["size"]), class_="number"),
            element("td", _bar(layer, written, largest), class_="size"),
            element("td", _KINDS[_kind(layer, written)]),
            element("td", element("code", text.short(layer["digest"]), title=layer["digest"])),
            element("td", element("code", layer["created_by"] or "no history"), class_="by"),
        )
        for layer in image["layers"]
    ]
    titles = ("Size", "", "", "Layer", "Made by")
    head = element("tr", *(element("th", name or None, scope="col") for name in titles))
    caption = None
    if several:
        caption = element("caption", f"{image['platform']} ", element("code", image["digest"]))
    table = element("table", caption, element("thead", head), element("tbody", *rows))
    return element("div", table, class_="layers")


def _bar(layer: Mapping[str, Any], written: set[str], largest: int) -> Markup:
    share = 100 * layer["size"] / largest if largest else 0.0
    kind = _kind(layer, written)
    rect = element("rect", width=f"{max(share, 0.5):.3f}%", height=10, rx=2, class_=f"part {kind}")
    return element("svg", rect, width="100%", height=10, aria_hidden="true")
