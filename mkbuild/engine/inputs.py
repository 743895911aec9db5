"""What a build rests on, as paths: which directories are to be watched, and which saves matter."""

import os
import re
from collections.abc import Iterator
from functools import lru_cache

from mkbuild.context.ignore import Ignore
from mkbuild.engine.evidence import globbed
from mkbuild.errors import StepError
from mkbuild.execute.match import compiled
from mkbuild.frozen import frozen

_EDITORS = re.compile(r".*~|#.*#|\.#.*|\..*\.sw[a-z]|4913|\.DS_Store|\.~lock\..*")
"""Names of files that editors keep beside the one that is edited: they are no saves."""

Pattern = tuple[str, ...]
"""A path of a context by its components, which may hold wildcards; empty: all of it."""


@frozen
class Watched:
    """A context: its real directory, text of its ignore file, and what steps read of it."""

    directory: str
    ignore: str
    patterns: frozenset[Pattern]

    def reads(self, path: str) -> bool:
        """Tell whether a path, relative to the directory, may reach a step."""
        rules = _rules(self.ignore)
        if rules.excluded(path) and not rules.may_reinclude(path):
            return False
        parts = path.split("/")
        return any(_meet(pattern, parts) for pattern in self.patterns)


@lru_cache(maxsize=256)
def _rules(text: str) -> Ignore:
    return Ignore.parse(text)


def _meet(pattern: Pattern, parts: list[str]) -> bool:
    """Tell whether a path is what a pattern matches, or lies above or below that."""
    try:
        pairs = zip(pattern, parts, strict=False)
        return all(compiled(word).fullmatch(part) for word, part in pairs)
    except StepError:  # malformed: the build says so
        return True


@frozen
class Inputs:
    """All that a build read of this machine, or looked for in vain; paths are absolute.

    ``files``: by the names that were used. ``globs``: directories, and patterns of build files
    below them. ``own``: what builds write themselves.
    """

    files: frozenset[str] = frozenset()
    globs: frozenset[tuple[str, str]] = frozenset()
    contexts: frozenset[Watched] = frozenset()
    own: frozenset[str] = frozenset()

    def __or__(self, other: "Inputs") -> "Inputs":
        """Return what either rests on."""
        return Inputs(
            self.files | other.files,
            self.globs | other.globs,
            self.contexts | other.contexts,
            self.own | other.own,
        )

    def reads(self, path: str) -> bool:
        """Tell whether a build would see that something has happened at a path."""
        if any(_is_within(path, own) for own in self.own):
            return False
        if path in self.files or self._is_build_file(path):
            return True
        if _EDITORS.fullmatch(path.rpartition("/")[2]):
            return False
        return any(
            path == context.directory
            or (_is_within(path, context.directory) and context.reads(_below(path, context)))
            for context in self.contexts
        )

    def _is_build_file(self, path: str) -> bool:
        """Tell whether a pattern of build files matches a path, or something below it."""
        for directory, pattern in self.globs:
            if not _is_within(path, directory) or path == directory:
                continue
            parts, words = path[len(directory) + 1 :].split("/"), pattern.split("/")
            if "**" in words:
                words = words[: words.index("**")]
            elif len(parts) > len(words):
                continue
            if _meet(tuple(words), parts):
                return True
        return False

    def trees(self) -> frozenset[str]:
        """Return the directories that count with all that is below them, none within another."""
        found: list[str] = []
        for directory in sorted(context.directory for context in self.contexts):
            if os.path.isdir(directory) and not any(_is_within(directory, top) for top in found):  # noqa: PTH112 -- text
                found.append(directory)
        return frozenset(found)

    def directories(self) -> frozenset[str]:
        """Return the directories of which the entries count; those in :meth:`trees` left out."""
        trees = self.trees()
        found = {_existing(os.path.dirname(path)) for path in self._alone()}  # noqa: PTH120 -- text
        return frozenset(p for p in found if not any(_is_within(p, tree) for tree in trees))

    def _alone(self) -> Iterator[str]:
        """Give paths beside contexts whose coming or going, or change, is to be noticed."""
        yield from self.files
        yield from (context.directory for context in self.contexts)
        for directory, pattern in self.globs:
            yield from (f"{place}/." for place in globbed(directory, pattern))


def _below(path: str, context: Watched) -> str:
    return path[len(context.directory) + 1 :]


def _is_within(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")


def _existing(directory: str) -> str:
    """Return the nearest directory that is there."""
    while not os.path.isdir(directory):  # noqa: PTH112 -- text
        directory = os.path.dirname(directory)  # noqa: PTH120 -- text
    return directory
