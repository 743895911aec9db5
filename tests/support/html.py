"""Pages read back: what a browser would make of them, without one."""

import re
from html.parser import HTMLParser


class Reader(HTMLParser):
    """Collects tags with their attributes, and text; ``words`` are texts outside of script."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"script", "style", "title"}.intersection(self._within):
            self.text += data

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute, wherever it stands."""
        return [
            value for _, given in self.tags for key, value in given.items() if key == name and value
        ]


def read(markup: str) -> Reader:
    """Read a page, or a part of one."""
    reader = Reader()
    reader.feed(markup)
    reader.close()
    return reader


def check_links(markup: str) -> None:
    """Assert that ids are unique, and that each link leads to one."""
    found = read(markup)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    links = found.values("href")
    assert {link for link in links if not re.fullmatch("#.+", link)} == set()
    assert {link[1:] for link in links} <= set(ids)
