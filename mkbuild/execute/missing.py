"""A source that does not exist, explained."""

import posixpath
from collections.abc import Callable

from mkbuild.errors import StepError
from mkbuild.execute.select import normalize
from mkbuild.filesystem.index import Index
from mkbuild.frozen import frozen


@frozen
class Missing:
    """Makes the error; ``ignored``: whether .dockerignore leaves a path out."""

    ignored: Callable[[str], bool] | None = None
    context: bool = False

    def __call__(self, source: str, index: Index) -> StepError:
        """Return the error for a source that leads to nothing in a tree."""
        place = "the build context" if self.context else "what is copied from"
        path = normalize(source)
        if self.ignored is not None and self.ignored(path):
            hint: str | None = f"{path} is excluded by .dockerignore"
        else:
            hint = _nearest(path, index)
        return StepError(f"{source!r} not found in {place}", hint=hint)


def _nearest(path: str, index: Index) -> str | None:
    from mkbuild.dockerfile import suggest

    directory, _, name = path.rpartition("/")
    while directory and not index.children(index.resolve(directory)):
        directory, _, name = directory.rpartition("/")
    prefix = posixpath.join(directory, "") if directory else ""
    return suggest.hint(name, index.children(index.resolve(directory)), prefix)
