"""WORKDIR: the directory is made where it is missing, and belongs to USER."""

import posixpath

from mkbuild.execute import identity
from mkbuild.execute.place import Placer
from mkbuild.execute.select import normalize
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index

MODE = 0o755


def workdir(
    base: Index, path: str, user: str, created: int, read: identity.Read | None = None
) -> Diff:
    """Return the diff that makes a directory and what is missing above it; empty where it exists.

    ``path``: absolute. ``user``: USER, or empty for root; a name that is not known is root, too.
    Raises StepError where something on the way is no directory.
    """
    placer = Placer(base, created)
    target = base.resolve(normalize(path))
    if placer.type(target) is None:
        ids = identity.owner(base, user, read=read) if user else (0, 0)
        placer.make_directories(posixpath.normpath(target), MODE, ids)
    else:
        placer.make_directories(target, MODE, (0, 0))
    return placer.finish()
