"""Saves, as they happen: directories watched for changes (watchfiles), whatever an editor does."""

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from mkbuild.errors import MkbuildError, UserError
from mkbuild.frozen import frozen

if TYPE_CHECKING:
    from watchfiles import Change

_STEP, _DEBOUNCE = 50, 1000
"""Milliseconds: saves belong together that follow each other so closely, for so long at most."""
_READY = 200
"""Milliseconds after which a watcher says that it is there."""
_LIMIT = "sysctl -w fs.inotify.max_user_watches=524288, as root, or a smaller context"


@frozen
class Saved:
    """Paths at which something came, changed or went; what came and went at once is left out."""

    paths: frozenset[str]


Tell = Callable[[Saved | MkbuildError], None]


class Saves:
    """Watches some directories; tells of saves from threads of its own."""

    def __init__(self, tell: Tell) -> None:
        """``tell``: called for each group of saves, or once with what makes watching impossible."""
        self._tell = tell
        self._stop = threading.Event()
        self._watched: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def watch(
        self, trees: frozenset[str], directories: frozenset[str], *, again: bool = False
    ) -> bool:
        """Watch these from now on: trees with all below them; tell whether there are new ones.

        ``again``: also where these were watched already, since one of them may be another by now.
        """
        before, self._watched = self._watched, (trees, directories)
        if before == self._watched and not again:
            return False
        stop, self._stop = self._stop, threading.Event()
        for paths, recursive in ((trees, True), (directories, False)):
            if paths:
                ready = threading.Event()
                follow = partial(
                    self._follow, sorted(paths), recursive=recursive, stop=self._stop, ready=ready
                )
                threading.Thread(target=follow, daemon=True).start()
                ready.wait()
        stop.set()  # the old ones only now, so that nothing is missed
        known = before[0] | before[1]
        return any(
            path not in known and not any(path.startswith(f"{tree}/") for tree in before[0])
            for path in trees | directories
        )

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()

    def _follow(
        self, paths: list[str], *, recursive: bool, stop: threading.Event, ready: threading.Event
    ) -> None:
        from watchfiles import watch

        there = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112 -- text
        try:
            for changes in watch(
                *there,
                watch_filter=None,
                debounce=_DEBOUNCE,
                step=_STEP,
                stop_event=stop,
                rust_timeout=_READY,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=recursive,
                ignore_permission_denied=True,
            ):
                ready.set()  # the first one comes when all is watched, at the latest by timeout
                if changes:
                    self._tell(Saved(_settled(changes)))
        except (OSError, RuntimeError) as error:
            self._tell(UserError(f"cannot watch for changes: {error}", hint=_LIMIT))
        finally:
            ready.set()


def _settled(changes: "set[tuple[Change, str]]") -> frozenset[str]:
    """Return the paths of changes, but those that came and went: files that are renamed at once."""
    names: dict[str, set[str]] = {}
    for change, path in changes:
        names.setdefault(path, set()).add(change.name)
    return frozenset(
        path
        for path, found in names.items()
        if not {"added", "deleted"} <= found or os.path.lexists(path)
    )
