"""Which entries of a source tree a COPY or ADD source means, and the digest of what they say.

The rules are BuildKit's: a pattern is matched one path component at a time, whatever it leads to is
resolved through symlinks inside the tree, and a directory stands for what it holds.
"""

import posixpath
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from mkbuild import digest as digests
from mkbuild.context.ignore import Ignore, MatchInfo
from mkbuild.digest import Digest
from mkbuild.errors import StepError
from mkbuild.execute import match
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.source import SourceTree
from mkbuild.frozen import frozen

CAPABILITY = "security.capability"
"""The only extended attribute that reaches a layer."""


class Part(NamedTuple):
    """One entry of a pick.

    ``path``: relative to the pick, ``""`` for its top. ``parent``: a directory that is not itself
    selected, and only there because something below it is.
    """

    path: str
    located: Located
    parent: bool = False


class Pick(NamedTuple):
    """One thing that a source leads to: a directory with what it holds, or something else.

    ``name``: what it is called where it is put into a directory: the name before symlinks were
    followed. ``parts``: its top first, a directory before what it holds, names sorted.
    """

    name: str
    parts: tuple[Part, ...]

    @property
    def top(self) -> Located:
        """What the source leads to."""
        return self.parts[0].located


@frozen
class Filters:
    """``--exclude`` patterns, and whether ``--parents`` keeps the directories above."""

    exclude: tuple[str, ...] = ()
    parents: bool = False


@frozen
class Selection:
    """All that some sources mean, in their order; ``contents``: digests by path in the tree."""

    picks: tuple[Pick, ...]
    contents: dict[str, bytes]

    def key(self, *, keep_ids: bool, whole: bool = False) -> Digest:
        """Digest everything that can influence a copy, which mtimes do not.

        ``keep_ids``: owners count. ``whole``: so do the mode and owner of a directory that a
        source names, of which otherwise only the contents are copied.
        """
        return digests.of_value(
            "mkbuild.selection.v1",
            [self._pick_key(pick, keep_ids=keep_ids, whole=whole) for pick in self.picks],
        )

    def _pick_key(self, pick: Pick, *, keep_ids: bool, whole: bool) -> bytes:
        parts = list(pick.parts)
        if not whole and pick.top.entry.type == toc.DIRECTORY:
            top = pick.top.entry
            plain = toc.Entry(top.path, toc.DIRECTORY)
            parts[0] = Part("", pick.top._replace(entry=plain))
        entries = [part.located.entry for part in parts]
        # Columns joined by what cannot be in them: ten times faster than a value an entry.
        columns: list[digests.Canonical] = [
            pick.name if pick.top.entry.type != toc.DIRECTORY else None,
            "\0".join([part.path for part in parts]),
            "".join([entry.type for entry in entries]),
            " ".join(["" if e.type == toc.SYMLINK else str(e.mode) for e in entries]),
            " ".join(["1" if part.parent else "" for part in parts]),
            b"".join([self.contents[e.path] for e in entries if e.type == toc.FILE]),
            [[i, e.link] for i, e in enumerate(entries) if e.link],
            [[i, *e.device] for i, e in enumerate(entries) if e.device is not None],
            [[i, value] for i, e in enumerate(entries) for value in _capability(e)],
            _links(parts),
            " ".join([f"{e.uid}:{e.gid}" for e in entries]) if keep_ids else None,
        ]
        return digests.canonical(columns)


def _capability(entry: toc.Entry) -> list[bytes]:
    return [value for name, value in entry.xattrs if name == CAPABILITY]


def _links(parts: Sequence[Part]) -> list[list[int]]:
    """List which parts are further names of which earlier ones."""
    first: dict[tuple[str, str], int] = {}
    found: list[list[int]] = []
    for position, part in enumerate(parts):
        located = part.located
        if located.entry.type == toc.FILE:
            leader = first.setdefault((located.origin, located.inode), position)
            if leader != position:
                found.append([position, leader])
    return found


def normalize(path: str) -> str:
    """Make a path relative to its root: clean, without ``..``, which never leads out of it."""
    return posixpath.normpath("/" + path).lstrip("/")


def select(
    tree: SourceTree,
    sources: Sequence[str],
    filters: Filters,
    missing: Callable[[str, Index], StepError],
) -> Selection:
    """Find what sources mean. Asks the tree once for the digests of all files.

    A source with wildcards may match nothing; ``missing`` makes the error for any other.
    """
    index = tree.index
    picks = tuple(pick for source in sources for pick in _picks(index, source, filters, missing))
    return Selection(picks, _contents(tree, picks))


def _contents(tree: SourceTree, picks: Sequence[Pick]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    wanted: dict[str, Located] = {}
    for pick in picks:
        for part in pick.parts:
            entry = part.located.entry
            if entry.content is not None:
                found[entry.path] = entry.content
            elif entry.type == toc.FILE:
                wanted[entry.path] = part.located
    if wanted:
        found.update(zip(wanted, tree.digests(list(wanted.values())), strict=True))
    return found


def _picks(
    index: Index, source: str, filters: Filters, missing: Callable[[str, Index], StepError]
) -> Iterator[Pick]:
    include = ""
    start = source
    if filters.parents:
        pivot, found, rest = source.partition("/./")
        start, include = (pivot, normalize(rest)) if found else ("", normalize(source))
    found_any = False
    for path in _expand(index, normalize(start), source, missing):
        real = index.resolve(path)
        located = index.get(real)
        if located is None:
            raise missing(source, index)
        if located.entry.type != toc.DIRECTORY:
            parts: tuple[Part, ...] = (Part("", located),)
        else:
            parts = tuple(_below(index, located, include, filters.exclude))
        found_any = found_any or len(parts) > 1 or not include
        yield Pick(path.rpartition("/")[2], parts)
    if include:
        components = (*normalize(start).split("/"), *include.split("/"))
        literal = not any(map(match.has_wildcards, components))
        if literal and not found_any:
            raise missing(source, index)


def _expand(
    index: Index, path: str, source: str, missing: Callable[[str, Index], StepError]
) -> Iterator[str]:
    """List the paths that a pattern matches, in path order; the pattern itself without any."""
    head, tail = match.split(path)
    if not tail:
        yield path
        return
    base = index.resolve(head)
    if base not in index:
        raise missing(source, index)
    patterns = [match.compiled(component) for component in tail]
    stack = [(base, 0)]
    while stack:
        place, depth = stack.pop()
        if depth == len(patterns):
            yield place
            continue
        names = filter(patterns[depth].fullmatch, index.children(place))
        prefix = f"{place}/" if place else ""
        stack.extend((prefix + name, depth + 1) for name in reversed(list(names)))


def _below(index: Index, top: Located, include: str, exclude: tuple[str, ...]) -> Iterator[Part]:
    """List a directory and what it holds, as far as it is included and not excluded."""
    root = top.entry.path
    cut = len(root) + 1 if root else 0
    if not include and not exclude:
        for each in index.walk(root):
            yield Part(each.entry.path[cut:], each)
        return
    yield Part("", top)
    walk = _Walk(include, exclude)
    shown = {""}
    stack = _children(index, root, _NOTHING)
    while stack:
        path, known = stack.pop()
        located = index.get(path)
        assert located is not None  # noqa: S101 -- a child of what exists
        name = path[cut:]
        kept, enter, known = walk.step(name, known)
        if kept:
            for parent in _ancestors(name, shown):
                ancestor = index.get(path[:cut] + parent)
                assert ancestor is not None  # noqa: S101 -- above what exists
                yield Part(parent, ancestor, parent=True)
            yield Part(name, located)
        if located.entry.type == toc.DIRECTORY:
            if kept:
                shown.add(name)
            if enter:
                stack.extend(_children(index, path, known))


_Known = tuple[MatchInfo, MatchInfo]
_NOTHING = (MatchInfo(), MatchInfo())


def _children(index: Index, path: str, known: _Known) -> list[tuple[str, _Known]]:
    prefix = f"{path}/" if path else ""
    return [(prefix + name, known) for name in reversed(index.children(path))]


def _ancestors(name: str, shown: set[str]) -> list[str]:
    """List the directories above a name that have not been shown yet, topmost first."""
    missing: list[str] = []
    parent = name.rpartition("/")[0]
    while parent not in shown:
        missing.append(parent)
        shown.add(parent)
        parent = parent.rpartition("/")[0]
    return missing[::-1]


class _Walk:
    """Decides which paths below a source are copied; patterns match as in .dockerignore."""

    def __init__(self, include: str, exclude: tuple[str, ...]) -> None:
        self._include = Ignore((include,)) if include else None
        self._exclude = Ignore(exclude) if exclude else None
        components = include.split("/") if include and "**" not in include else []
        self._prefix = [match.compiled(component) for component in components]

    def step(self, name: str, known: _Known) -> tuple[bool, bool, _Known]:
        """Tell whether a path is selected, and whether something below it may be.

        ``known`` is what was found out about its directory; what is returned, about itself.
        """
        include, exclude = known
        included, excluded = True, False
        if self._include is not None:
            included, include = self._include.step(name, include)
        if self._exclude is not None:
            excluded, exclude = self._exclude.step(name, exclude)
        enter = included or all(
            pattern.fullmatch(part)
            for pattern, part in zip(self._prefix, name.split("/"), strict=False)
        )
        if excluded and not (self._exclude and self._exclude.has_exceptions):
            enter = False
        return included and not excluded, enter, (include, exclude)
