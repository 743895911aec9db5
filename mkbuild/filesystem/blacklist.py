"""Paths that stay out of layers: Makisu's ``--blacklist``."""

from collections.abc import Sequence

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, DiffBuilder
from mkbuild.filesystem.index import Index


def without(diff: Diff, base: Index, paths: Sequence[str]) -> Diff:
    """Return a diff without some absolute paths and what is below them, against the same base.

    Of a file whose first name is left out, the next one that stays becomes the file.
    """
    dropped = tuple(path.strip("/") for path in paths)

    def kept(path: str) -> bool:
        return not any(path == p or path.startswith(f"{p}/") for p in dropped)

    if all(kept(entry.path) for entry in diff.toc.entries):
        return diff
    builder = DiffBuilder(base)
    files = {entry.path: entry for entry in diff.toc.entries if entry.type == toc.FILE}
    leaders: dict[str, str] = {}
    for entry in diff.toc.entries:
        if not kept(entry.path):
            continue
        if entry.type == toc.WHITEOUT:
            builder.remove(entry.path)
        elif entry.type == toc.HARDLINK and (kept(entry.link) or entry.link in leaders):
            builder.link(entry.path, leaders.get(entry.link, entry.link))
        else:
            if entry.type == toc.HARDLINK:
                leaders[entry.link] = entry.path
                made = files[entry.link]._replace(path=entry.path)
            else:
                made = entry
            source = diff.sources.get(made.content) if made.content else None
            builder.put(made, source, embedded=diff.toc.embedded.get(entry.path))
    return builder.finish()
