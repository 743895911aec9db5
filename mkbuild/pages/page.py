"""The frame of every page: one file, no network, styles and scripts in it and no others allowed."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from mkbuild import __version__
from mkbuild.pages.markup import Child, Markup, element, join


def page(title: str, heading: Child, *body: Child, scripts: Sequence[str] = ()) -> str:
    """Return a whole page; ``scripts`` are names of files beside this module.

    The policy in its head lets a browser run and apply what stands in the page as we wrote it, by
    its hash, and load nothing: no image, no font, no address.
    """
    style = asset("page.css")
    codes = [asset(name) for name in scripts]
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, codes))}" if codes else "script-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="generator", content=f"mkbuild {__version__}"),
        element("title", title),
        element("style", Markup(style)),
    )
    header = element("header", element("div", heading, class_="wide"), class_="top")
    footer = element("footer", element("p", f"mkbuild {__version__}"), class_="wide")
    content = join(
        [header, element("main", *body), footer, *(element("script", Markup(c)) for c in codes)]
    )
    document = element("html", head, "\n", element("body", content), lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


@cache
def asset(name: str) -> str:
    """Return the text of a file in ``assets``."""
    return (resources.files("mkbuild.pages") / "assets" / name).read_text("utf-8")


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
