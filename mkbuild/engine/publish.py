"""Two-phase publishing: every blob and manifest first, then all tags in one short window.

What is about to move is written to a journal before the first tag moves. Whoever publishes next
finishes the window of a process that died in it: its images are in the registry by then.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mkbuild.digest import Digest
from mkbuild.engine.request import Publishing
from mkbuild.errors import MkbuildError, PublishError
from mkbuild.events import Event, Message, Published
from mkbuild.frozen import frozen
from mkbuild.oci import reference as references
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.oci.reference import Reference
from mkbuild.registry.config import canonical_registry
from mkbuild.schedule.local import LOOK_SECONDS
from mkbuild.store.locks import try_exclusive

if TYPE_CHECKING:
    from mkbuild.registry.push import Pusher

_PARALLEL = 8

_T = TypeVar("_T")
_R = TypeVar("_R")


@frozen
class Publication:
    """A document that some names are to stand for; ``provide`` brings blobs that are not here.

    ``origins``: repositories that blobs are known to be in, so that they can be mounted from there.
    """

    names: tuple[Reference, ...]
    document: Manifest | Index
    manifests: tuple[Manifest, ...] = ()
    provide: Callable[[Descriptor], None] = lambda _: None
    origins: Mapping[Digest, Sequence[Reference]] = field(default_factory=dict)


def destinations(names: Iterable[str], publishing: Publishing) -> tuple[Reference, ...]:
    """Return where an image of some names goes, each place once.

    To its names, or to these in other registries (Makisu's ``--push``); to replicas as they are.
    """
    replicas = [name for name in names if name in publishing.replicas]
    own = [references.parse(name) for name in names if name not in publishing.replicas]
    if publishing.registries:
        own = [
            replace(name, registry=canonical_registry(registry))
            for registry in publishing.registries
            for name in own
        ]
    pushed = own if publishing.push else []
    return tuple(dict.fromkeys((*pushed, *map(references.parse, replicas))))


class Publisher:
    """Publishes to registries; raises PublishError, and no tag has moved where phase one failed."""

    def __init__(self, pusher: "Pusher", journals: Path, emit: Callable[[Event], None]) -> None:
        """Keep journals in a directory of the store."""
        self._pusher = pusher
        self._journals = journals
        self._emit = emit

    def publish(self, publications: Sequence[Publication]) -> list[Published]:
        """Publish, skipping all that stands where it should."""
        wanted = [(name, p) for p in publications for name in p.names]
        if not wanted:
            return []
        try:
            self.resume()
            current = _side_by_side(lambda w: self._is_current(*w), wanted)
            moving = [w for w, there in zip(wanted, current, strict=True) if not there]
            _side_by_side(lambda w: self._push(*w), moving)
            self._move(moving)
        except PublishError:
            raise
        except MkbuildError as error:
            raise PublishError(error.message, hint=error.hint) from error
        except KeyError as error:
            message = f"a layer of the image is gone from the store: {error}"
            raise PublishError(message, hint="build again: it will be made anew") from error
        moved = {name for name, _ in moving}
        found = [Published(str(name), p.document.digest, name in moved) for name, p in wanted]
        for event in found:
            self._emit(event)
        return found

    def _is_current(self, name: Reference, publication: Publication) -> bool:
        layers = [layer.digest for image in publication.manifests for layer in image.layers]
        return self._pusher.is_current(name, publication.document.digest, layers)

    def _push(self, name: Reference, publication: Publication) -> None:
        from mkbuild.registry.push import PushImage

        image = PushImage(
            publication.document,
            publication.manifests,
            origins=publication.origins,
            provide=publication.provide,
        )
        self._pusher.push(name, image)

    def _move(self, moving: Sequence[tuple[Reference, Publication]]) -> None:
        if not moving:
            return
        entries = [
            (str(name), p.document.raw.decode(), p.document.media_type) for name, p in moving
        ]
        self._journals.mkdir(parents=True, exist_ok=True)
        journal = self._journals / f"{os.getpid()}.json"
        with try_exclusive(journal.with_suffix(".lock")):
            partial = journal.with_suffix(".partial")
            partial.write_text(json.dumps(entries))
            partial.rename(journal)
            _side_by_side(lambda w: self._pusher.move(w[0], w[1].document), moving)
            journal.unlink()
        journal.with_suffix(".lock").unlink(missing_ok=True)

    def resume(self) -> None:
        """Finish the windows of processes that died while tags moved."""
        for journal in sorted(self._journals.glob("*.json")):
            with try_exclusive(journal.with_suffix(".lock")) as free:
                if not free or not journal.exists():
                    continue
                for name, raw, media_type in json.loads(journal.read_text()):
                    document = _document(raw.encode(), media_type)
                    self._pusher.publish(references.parse(name), document)
                self._emit(Message("info", f"finished an interrupted publication ({journal.name})"))
                journal.unlink()
            journal.with_suffix(".lock").unlink(missing_ok=True)


def _side_by_side(work: Callable[[_T], _R], items: Sequence[_T]) -> list[_R]:
    """Do the same with each of some items, in threads; raises what the first failure raised."""
    pool = ThreadPoolExecutor(_PARALLEL, "publish")
    wait = True
    try:
        begun = [pool.submit(work, item) for item in items]
        # A signal that comes just before a wait begins does not end it (see schedule.local).
        while futures.wait(begun, LOOK_SECONDS, futures.FIRST_EXCEPTION).not_done:
            for future in begun:
                if future.done():
                    future.result()
        return [future.result() for future in begun]
    except KeyboardInterrupt:
        wait = False  # a registry that does not answer holds up nobody who wants to leave
        raise
    finally:
        pool.shutdown(wait=wait, cancel_futures=True)


def _document(raw: bytes, media_type: str) -> Manifest | Index:
    if "manifests" in json.loads(raw):
        return Index.parse(raw, media_type)
    return Manifest.parse(raw, media_type)
