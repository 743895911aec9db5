"""Layers that go to the registry while the rest is built: a push need not wait for the last step.

Only blobs go early. Manifests and tags wait until everything is built (see ``engine.publish``).
"""

import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from mkbuild.buildfile.interpolate import resolve_inputs
from mkbuild.buildfile.target import Target
from mkbuild.engine.publish import destinations
from mkbuild.engine.request import Publishing
from mkbuild.errors import MkbuildError, RegistryError
from mkbuild.events import Event, Message
from mkbuild.oci.reference import Reference
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
        places: Mapping[str, Reference],
        emit: Callable[[Event], None],
    ) -> None:
        """``places``: the repository of each target, by label; of others nothing goes early."""
        self._pusher = pusher
        self._places = places
        self._emit = emit
        self._lock = threading.Lock()
        self._slots = threading.Semaphore(_AT_ONCE)
        self._threads: list[threading.Thread] = []
        self._stopped = False

    def follow(self, label: str, blob: BlobWriter) -> None:
        """Begin to send a layer that a target's step is writing."""
        place = self._places.get(label)
        if place is None or self._stopped:
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
            thread.join()

    def stop(self) -> None:
        """End what is on its way: nobody wants it any more."""
        self._stopped = True


def places(targets: Mapping[str, Target], publishing: Publishing) -> dict[str, Reference]:
    """Return a reference in the first repository that each target is pushed to."""
    found: dict[str, Reference] = {}
    for label, target in targets.items():
        # Their digest and commit are not known yet; as a rule they are of the tag.
        names = [resolve_inputs(name, _UNKNOWN, _UNKNOWN) for name in target.tags]
        goals = destinations(names, publishing) if target.publish else ()
        if goals and _UNKNOWN not in goals[0].repository:
            found[label] = goals[0]
    return found
