"""Merges consecutive diffs into one: explicit commits, squashed lowers, full trees."""

from collections.abc import Callable, Sequence

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, Source, canonical_entries
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Toc

Part = tuple[Toc, str]
"""A diff's TOC and the name of the tree that holds its bytes (its origin)."""

Locate = Callable[[Located], Source]
"""Finds the bytes of a regular file by its tree's name and its path in it."""


def merge(
    base: Index,
    parts: Sequence[Part],
    locate: Locate,
    content_of: Callable[[Located], bytes] | None = None,
) -> Diff:
    """Return the canonical diff between a state and that state after all the parts.

    What equals the first state is left out, whatever happened between. The parts' TOCs hold
    contents; ``content_of`` gives the raw SHA-256 of a file of the base whose entry has none.
    """
    view = base
    touched: dict[str, None] = {}
    for changes, origin in parts:
        for entry in changes.entries:
            touched[entry.path] = None
            if entry.opaque:
                # As whiteouts of what the state had there.
                prefix = entry.path + "/" if entry.path else ""
                touched.update(dict.fromkeys(prefix + name for name in view.children(entry.path)))
        view = view.apply(changes, origin)
    entries = canonical_entries(base, view, touched, content_of)
    sources: dict[bytes, Source] = {}
    embedded: dict[str, bytes] = {}
    for entry in entries:
        if entry.type != toc.FILE:
            continue
        found = view.get(entry.path)
        assert found is not None  # noqa: S101 -- it comes from the view
        if entry.size and entry.content is not None and entry.content not in sources:
            sources[entry.content] = locate(found)
        data = view.embedded(entry.path)
        if data is not None:
            embedded[entry.path] = data
    return Diff(toc.make(entries, embedded), sources)
