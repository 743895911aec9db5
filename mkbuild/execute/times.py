"""Which mtimes the entries of a file step get."""

from mkbuild.frozen import frozen


@frozen
class Times:
    """Times in whole seconds since 1970.

    ``created``: what the step itself makes: parents, heredocs. ``context``: all that comes from a
    context or a git checkout, None to keep its times. ``latest``: a kept time at or after this
    (the step's start) becomes ``created``; None keeps all.
    """

    created: int
    context: int | None = None
    latest: int | None = None

    def of(self, mtime: int, *, context: bool) -> int:
        """Return the time an entry gets in the diff."""
        if context and self.context is not None:
            return self.context
        return self.created if self.latest is not None and mtime >= self.latest else mtime
