"""Images from outside: resolved at most once an hour, their layers fetched when they are needed.

What a tag stood for is remembered, and manifests and configs are in the store: so a build that
finds nothing to do opens no connection, and does not even load the registry client.
"""

import json
import math
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mkbuild import digest as digests
from mkbuild.buildfile.target import LayoutContext, Pull
from mkbuild.cache.protocol import KeyValue, Record
from mkbuild.digest import Digest
from mkbuild.engine.lock import Pins
from mkbuild.errors import ArchiveError, MkbuildError, PullError
from mkbuild.execute.states import BaseLayer, States
from mkbuild.frozen import frozen
from mkbuild.oci import platform as platforms
from mkbuild.oci.model import Descriptor, ImageConfig, Index, Manifest, Platform
from mkbuild.oci.reference import Reference
from mkbuild.plan import keys
from mkbuild.plan.actions import Base
from mkbuild.plan.image import PlannedImage
from mkbuild.store.files import FileStore
from mkbuild.store.layout import Layout, is_index
from mkbuild.store.protocol import BlobSink

if TYPE_CHECKING:
    from mkbuild.registry.pull import Resolver

HOUR = 3600

Fetch = Callable[[Descriptor, BlobSink], None]


@frozen
class _Image:
    """An image whose manifest and config are in the store; ``fetch`` brings its layers."""

    manifest: Manifest
    config: ImageConfig
    fetch: Fetch


class Bases:
    """Finds images outside, and remembers where their layers are. Thread-safe."""

    def __init__(
        self,
        store: FileStore,
        known: KeyValue,
        resolver: Callable[[], "Resolver"],
        pins: Pins,
        *,
        offline: bool,
    ) -> None:
        """``resolver`` is called when a connection is needed; ``states`` learns of every base."""
        self._pins = pins
        self._store = store
        self._known = known
        self._resolver = resolver
        self._offline = offline
        self._found: dict[Base, _Image] = {}
        self._fetches: dict[Digest, Fetch] = {}
        self._origins: dict[Digest, dict[Reference, None]] = {}
        self._images: dict[tuple[str, Platform], PlannedImage] = {}
        self._lock = threading.Lock()
        self.states: States
        self.until = math.inf
        """Until when (s since 1970) all tags that were asked for count as resolved."""

    def image(self, reference: Reference, platform: Platform, pull: Pull) -> PlannedImage:
        """Return an image of a registry or its mirrors; raises PullError."""
        key = (str(reference), platform)
        if key not in self._images:
            pinned = self._pins.image(reference, platform)
            found = self._remembered(pinned, platform, pull)
            if found is None:
                self._limit(pinned, pull, time.time())
                found = self._pulled(pinned, platform)
            self._pins.found_image(reference, platform, found.manifest.digest)
            self._images[key] = self._planned(reference.familiar(), found)
            for layer in found.manifest.layers:
                self._origins.setdefault(layer.digest, {})[reference] = None
        return self._images[key]

    def layout(self, source: LayoutContext, platform: Platform) -> PlannedImage:
        """Return an image of an OCI layout directory; raises PullError, ArchiveError."""
        layout = Layout(Path(source.path))
        descriptor = layout.resolve(source.digest or source.tag)
        data = layout.read(descriptor)
        if is_index(data):
            descriptor = platforms.select(Index.parse(data, descriptor.media_type), platform)
            data = layout.read(descriptor)
        manifest = Manifest.parse(data, descriptor.media_type)
        config = ImageConfig.parse(layout.read(manifest.config))
        self._store.put(data)
        image = _Image(manifest, config, layout.copy_blob)
        return self._planned(f"oci-layout://{source.path}", image)

    def archived(self, name: str, manifest: Manifest, config: ImageConfig) -> PlannedImage:
        """Return an image whose layers are in the store already."""
        return self._planned(name, _Image(manifest, config, lambda *_: None))

    def _remembered(self, reference: Reference, platform: Platform, pull: Pull) -> _Image | None:
        """Return what a tag stood for when it was asked last, where that still counts."""
        if pull == "always" and reference.digest is None and not self._offline:
            return None
        name = _key(reference, platform)
        entry = self._known.get_many([name]).get(name)
        if entry is None:
            return None
        record = json.loads(entry)
        fresh = reference.digest is not None or pull == "never" or self._offline
        if not fresh and not 0 <= time.time() - record["at"] < HOUR:
            return None
        self._limit(reference, pull, record["at"])
        try:
            manifest = Manifest.parse(self._store.read(record["manifest"]))
            config = ImageConfig.parse(self._store.read(manifest.config.digest))
        except (KeyError, ArchiveError):
            return None
        pinned = reference.with_digest(record["top"])
        return _Image(manifest, config, partial(self._fetch, pinned, platform))

    def _limit(self, reference: Reference, pull: Pull, at: float) -> None:
        """Take into account that a tag was resolved at some time."""
        if reference.digest is None and pull != "never" and not self._offline:
            self.until = min(self.until, at + HOUR if pull == "hourly" else 0)

    def _fetch(
        self, reference: Reference, platform: Platform, layer: Descriptor, into: BlobSink
    ) -> None:
        resolver = self._resolver()
        resolver.fetch(resolver.resolve(reference, platform).sources, layer, into)

    def _pulled(self, reference: Reference, platform: Platform) -> _Image:
        if self._offline:
            message = f"{reference.familiar()} is not known here, and --offline forbids to ask"
            raise PullError(message, hint="build once without --offline")
        resolver = self._resolver()
        image = resolver.resolve(reference, platform)
        record = {"at": time.time(), "top": image.top.digest, "manifest": image.manifest.digest}
        name = _key(reference, platform)
        self._known.put_many({name: Record(json.dumps(record).encode())}, replace=True)
        return _Image(image.manifest, image.config, partial(resolver.fetch, image.sources))

    def _planned(self, name: str, image: _Image) -> PlannedImage:
        config, layers = image.config, image.manifest.layers
        if len(config.diff_ids) != len(layers):
            counts = f"{len(config.diff_ids)} layers, its manifest {len(layers)}"
            raise PullError(
                f"{name}: its config names {counts}",
                hint="the image is malformed: pull another version",
            )
        state = keys.base_state(config.diff_ids, config.platform)
        base = Base(state, name, config.platform)
        found = tuple(map(BaseLayer, config.diff_ids, layers))
        with self._lock:
            self._found[base] = image
            for layer in layers:
                self._fetches.setdefault(layer.digest, image.fetch)
        self.states.add_base(state, found)
        return PlannedImage(base, config)

    def descriptors(self, base: Base) -> tuple[Descriptor, ...]:
        """Return a base's layers as its manifest has them, lowest first."""
        image = self._found.get(base)
        return image.manifest.layers if image else ()

    def digest(self, base: Base) -> Digest:
        """Return the digest of a base's manifest."""
        return self._found[base].manifest.digest

    def bring(self, layer: Descriptor, into: BlobSink | None = None) -> None:
        """Bring the blob of some base's layer into the store; raises PullError.

        ``into``: what a transfer writes to on its way into the store.
        """
        if self._store.has(layer.digest):
            return
        try:
            self._fetches[layer.digest](layer, into or self._store)
        except PullError:
            raise
        except MkbuildError as error:
            raise PullError(error.message, hint=error.hint) from error

    def origins(self, digest: Digest) -> tuple[Reference, ...]:
        """Return the images of registries that a layer was found in."""
        return tuple(self._origins.get(digest, ()))

    def knows(self, digest: Digest) -> bool:
        """Whether a blob is a layer of some base."""
        return digest in self._fetches


def _key(reference: Reference, platform: Platform) -> str:
    value = [str(reference), str(platform)]
    return "ref." + digests.hex_of(digests.of_value("mkbuild.ref.v1", value))
