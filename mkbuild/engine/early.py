"""Layers that go to the registry while the rest is built: a push need not wait for the last step.

Only blobs go early. Manifests and tags wait until everything is built (see ``engine.publish``).
"""

import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from mkbuild.buildfile.interpolate import resolve_inputs
from mkbuild.buildfile.target import Target
from mkbuild.engine.publish import destinations
from mkbuild.engine.request import Publishing
from mkbuild.errors import MkbuildError, RegistryError, UserError
from mkbuild.events import Event, Message
from mkbuild.oci.reference import Reference
from mkbuild.schedule.local import LOOK_SECONDS
from mkbuild.store.protocol import BlobWriter, Follower

if TYPE_CHECKING:
    from mkbuild.registry.push import Pusher


_UNKNOWN = "0" * 64
_AT_ONCE = 4
"""Layers on their way at the same time; each takes a connection."""


class EarlyPush:
    """Hands layers that are being written to a pusher, each in a thread of its own."""

    def __init__(
        self,
        pusher: Callable[[], "Pusher"],
        place: Callable[[str], Reference | None],
        emit: Callable[[Event], None],
    ) -> None:
        """``place``: the repository of a target, by its label; where there is none nothing goes."""
        self._pusher = pusher
        self._place = place
        self._emit = emit
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def follow(self, label: str, blob: BlobWriter) -> None:
        """Begin to send a layer that a target's step is writing."""
        place = None if self._stopped else self._place(label)
        if place is None:
            return
        send = partial(self._send, place, blob.follow())
        # A daemon: a build that was interrupted does not wait for a registry.
        thread = threading.Thread(target=send, name="early push", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _send(self, place: Reference, follower: Follower) -> None:
        try:
            with closing(follower), self._slots:
                with self._lock:
                    pusher = self._pusher()
                pusher.push_early(place, follower, lambda: self._stopped)
        except (MkbuildError, KeyError) as error:
            if self._stopped:
                return
            # The push proper sends it again, and says what is wrong if that fails as well.
            self._emit(Message("debug", f"a layer of {place.repository} did not go early: {error}"))
            self._stopped = isinstance(error, RegistryError)

    def join(self) -> None:
        """Wait for what is on its way."""
        for thread in self._threads:
            # A signal that comes just before a wait begins does not end it (see schedule.local).
            while thread.is_alive():
                thread.join(LOOK_SECONDS)

    def stop(self) -> None:
        """End what is on its way: nobody wants it any more."""
        self._stopped = True


def place_of(target: Target, publishing: Publishing) -> Reference | None:
    """Return a reference in the first repository that a target is pushed to; None for none."""
    if not target.publish:
        return None
    # Their digest and commit are not known yet; as a rule they are of the tag.
    names = [resolve_inputs(name, _UNKNOWN, _UNKNOWN) for name in target.tags]
    try:
        goals = destinations(names, publishing)
    except UserError:
        return None  # the push proper says what is wrong with it
    return goals[0] if goals and _UNKNOWN not in goals[0].repository else None
