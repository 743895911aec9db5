"""The filter over a page's graph and list; shown by the script that makes it work."""

from mkbuild.pages.markup import Markup, element


def filter_form(hint: str) -> Markup:
    """Return the form; ``hint`` says which words it looks at."""
    field = element(
        "input",
        type="search",
        id="filter",
        placeholder=hint,
        autocomplete="off",
        spellcheck="false",
    )
    return element(
        "form",
        element("label", "Filter", for_="filter"),
        field,
        _box("needs", "with what they need"),
        _box("needed", "with what needs them"),
        element("output", id="found", role="status"),
        class_="filter scripted",
        hidden=True,
        role="search",
    )


def _box(name: str, text: str) -> Markup:
    return element("label", element("input", type="checkbox", id=name), text)
