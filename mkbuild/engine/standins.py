"""What stands for URLs and git repositories where two ends are compared: nothing is downloaded.

The same URL with the same pin gives the same; so a file that holds both will do for a key.
"""

from collections.abc import Callable
from pathlib import Path

from mkbuild.buildfile.target import GitContext
from mkbuild.context.digests import FileDigests
from mkbuild.context.scan import scan
from mkbuild.engine.lock import Pins
from mkbuild.engine.remotes import Remotes
from mkbuild.execute import gitref
from mkbuild.filesystem.source import SourceTree
from mkbuild.plan.actions import AddStep

Checkouts = dict[tuple[GitContext, str | None], Path]
"""Git contexts by the commit they are pinned to: these are fetched, since they hold Dockerfiles."""


class StandIns(Remotes):
    """Takes the place of :class:`Remotes`; ends that are compared share their checkouts."""

    def __init__(
        self, pins: Pins, scratch: Callable[[], Path], shared: Checkouts, *, offline: bool
    ) -> None:
        """Share ``shared``; the rest is as in :class:`Remotes`."""
        super().__init__(pins, scratch, offline=offline)
        self._shared = shared

    def checkout(self, context: GitContext) -> Path:
        """Return the directory with the files of a git context; raises PullError, UserError."""
        key = (context, self._pins.lock.git.get(f"{context.url}#{context.ref}"))
        if key not in self._shared:
            self._shared[key] = super().checkout(context)
        return self._shared[key]

    def _fetch(self, step: AddStep, source: str) -> SourceTree:
        lock = self._pins.lock
        ref = gitref.parse(source)
        pin = lock.git.get(f"{ref.remote}#{ref.ref}") if ref else lock.urls.get(source)
        scratch, place = self._scratch(), self._scratch()
        about = (source, pin, step.checksum, step.keep_git_dir)
        (place / "download").write_text("\n".join(map(str, about)))
        return scan(place, None, FileDigests(scratch / "digests.sqlite", warn=lambda _: None))
