"""HTML and SVG as values: what is not markup already is escaped, whoever wrote it.

Characters that a browser must not see as they are (controls, lone surrogates, marks that turn the
direction of text) are shown by their code point, so that a hostile name shows what it is.
"""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufffe\uffff]"
)
_VOID = frozenset({"input", "meta", "br", "hr", "link"})
_SVG_EMPTY = frozenset({"rect", "path", "line", "circle", "use"})


class Markup(str):
    """Text that is markup: made by this module alone, and never escaped again."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child] | None"
Attribute: TypeAlias = str | int | float | bool | None


def escape(text: object) -> Markup:
    """Return text as markup that shows it; markup as it is."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(visible(str(text))))


def visible(text: str) -> str:
    """Replace what cannot be seen, or would mislead, by its code point: ``⟨U+202E⟩``."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return children one after another."""
    return Markup(escape(between).join(_markup(child) for child in children))


def _markup(child: Child) -> Markup:
    if child is None:
        return Markup("")
    if isinstance(child, str | int):
        return escape(child)
    return join(child)


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """Return an element.

    Attributes: ``class_`` is class, ``aria_label`` is aria-label; None and False leave one out,
    True gives it no value.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    if name in _SVG_EMPTY and not children:
        return Markup(f"<{name}{written}/>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{escape(value)}"'
