"""Images moved and compared without a build: ``push`` of an archive, ``pull``, ``diff``."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

from mkbuild import digest as digests
from mkbuild.buildfile.target import CacheSettings
from mkbuild.cache.open import open_cache
from mkbuild.digest import Digest
from mkbuild.engine.bases import Bases
from mkbuild.engine.layers import LayerSource
from mkbuild.engine.lock import Pins
from mkbuild.engine.publish import Publication, Publisher, destinations
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.request import Publishing, Sources
from mkbuild.engine.session import Session
from mkbuild.errors import ArchiveError, UsageError
from mkbuild.events import Reporter
from mkbuild.execute.rootfs import flattened
from mkbuild.execute.states import States
from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry
from mkbuild.oci import platform as platforms
from mkbuild.oci import reference as references
from mkbuild.oci.model import ImageConfig
from mkbuild.plan.image import PlannedImage
from mkbuild.sandbox import detect
from mkbuild.snapshot.compression import open_decompressed
from mkbuild.snapshot.layerview import Limits
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store import dockerarchive
from mkbuild.store.dockerarchive import ArchivedImage
from mkbuild.store.protocol import BlobStore


class Transfers:
    """One invocation of these verbs; closes what it opened."""

    def __init__(self, storage: Path, sources: Sources, reporter: Reporter) -> None:
        """Open the store as a build does; no connection is opened yet."""
        detect.enter("auto")
        self._reporter = reporter
        self._session = session = Session(storage, reporter, CacheSettings())
        self._registries = RegistryAccess({}, sources, Path.cwd(), session.emit)
        self._bases = Bases(
            session.store,
            session.known,
            lambda: self._registries.resolver(session.store),
            Pins(None),
            offline=sources.offline,
        )
        self._cache = open_cache(
            session.known,
            [],
            store=session.store,
            client_for=lambda registry, repository: self._registries.clients().get(
                registry, repository
            ),
            warn=session.warn,
        )
        layers = LayerSource(
            store=session.store,
            trees=session.trees,
            cache=self._cache,
            fetch_base=self._bases.bring,
            userxattr=session.userxattr,
            single_id=session.single_id,
        )
        self._states = States(session.store, session.trees, layers, self._cache)
        self._bases.states = self._states

    def push(self, archive: Path, names: Sequence[str], publishing: Publishing) -> Digest:
        """Push the image of a docker-save archive, by these names or else its own; its digest.

        Raises ArchiveError, UsageError, PublishError.
        """
        images = dockerarchive.read(archive, self._session.store)
        if len(images) != 1:
            raise UsageError(
                f"{archive} holds {len(images)} images, and one is pushed at a time",
                hint="save them one by one",
            )
        image = images[0]
        places = destinations([*(names or image.names), *publishing.replicas], publishing)
        if not places:
            raise UsageError(f"{archive}: the image has no name", hint="give one: -t NAME")
        _check_layers(archive, image, self._session.store)
        self._session.store.put(image.manifest.raw)
        publisher = Publisher(
            self._registries.pusher(self._session.store),
            self._session.storage / "publications",
            self._session.emit,
        )
        publisher.publish([Publication(places, image.manifest)])
        return image.manifest.digest

    def pull(self, name: str, extract: Path | None) -> str:
        """Bring an image into the store, and its files into a new directory; returns its digest.

        Raises PullError, UsageError.
        """
        planned = self._image(name)
        for layer in self._bases.descriptors(planned.base):
            self._bases.bring(layer)
        if extract is not None:
            if extract.exists() and not extract.is_dir():
                raise UsageError(f"--extract {extract}: it is no directory", hint="name a new one")
            if extract.exists() and any(extract.iterdir()):
                raise UsageError(f"--extract {extract}: it is not empty", hint="name a new one")
            extract.mkdir(parents=True, exist_ok=True)
            write_tree(flattened(self._states, planned.base.state), extract)
        return self._bases.digest(planned.base)

    def diff(self, first: str, second: str, *, ignore_times: bool) -> list[str]:
        """Say in what two images differ: lines; none where they are the same. Raises PullError."""
        one, two = self._image(first), self._image(second)
        return [
            *_configs(one.config, two.config),
            *_files(self._entries(one), self._entries(two), ignore_times=ignore_times),
        ]

    def _image(self, name: str) -> PlannedImage:
        platform = platforms.host(os.uname().machine)
        if Path(name).is_file():
            images = dockerarchive.read(Path(name), self._session.store)
            if len(images) != 1:
                raise ArchiveError(f"{name} holds {len(images)} images, not one")
            return self._bases.archived(name, images[0].manifest, images[0].config)
        if name.endswith(".tar") or name.startswith(("/", "./", "../")):
            hint = "name an image of a registry, or the output of docker save or --dest"
            raise UsageError(f"{name}: there is no such file", hint=hint)
        return self._bases.image(references.parse(name), platform, "always")

    def _entries(self, image: PlannedImage) -> dict[str, Entry]:
        diff = flattened(self._states, image.base.state)
        return {entry.path: entry for entry in diff.toc.entries if entry.path}

    def close(self) -> None:
        """Let go of trees, connections and the store."""
        self._cache.close()
        self._states.close()
        self._registries.close()
        self._session.close()
        self._reporter.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _check_layers(archive: Path, image: ArchivedImage, store: BlobStore) -> None:
    """Raise ArchiveError where a compressed layer is not the tar whose diff ID the config names.

    No registry looks, and whoever pulls the image could not unpack it.
    """
    layers = zip(image.manifest.layers, image.config.diff_ids, strict=True)
    for number, (layer, diff_id) in enumerate(layers, 1):
        where = f"{archive}: layer {number}"
        found = hashlib.sha256()
        with store.open(layer.digest) as raw:
            try:
                for block in open_decompressed(raw, limit=Limits().size):
                    found.update(block)
            except ArchiveError as error:
                raise ArchiveError(f"{where}: {error.message}", hint=error.hint) from error
        if found.hexdigest() != digests.hex_of(diff_id):
            raise ArchiveError(
                f"{where} is sha256:{found.hexdigest()}, but the config says {diff_id}",
                hint="the archive is damaged or was changed: save the image anew",
            )


def _configs(one: ImageConfig, two: ImageConfig) -> list[str]:
    """Compare what the configs say of containers, and the platforms."""
    left = {**asdict(one.config), "platform": str(one.platform)}
    right = {**asdict(two.config), "platform": str(two.platform)}
    return [
        f"config {name}: {left[name]!r} -> {right[name]!r}"
        for name in left
        if left[name] != right[name]
    ]


def _files(one: dict[str, Entry], two: dict[str, Entry], *, ignore_times: bool) -> list[str]:
    lines = []
    for path in sorted({*one, *two}, key=toc.order):
        old, new = one.get(path), two.get(path)
        if old is None:
            lines.append(f"+ /{path}")
        elif new is None:
            lines.append(f"- /{path}")
        elif changes := _changes(old, new, ignore_times=ignore_times):
            lines.append(f"~ /{path}: {', '.join(changes)}")
    return lines


def _changes(old: Entry, new: Entry, *, ignore_times: bool) -> list[str]:
    left, right = old._asdict(), new._asdict()
    left["mode"], right["mode"] = (f"{stat.S_IMODE(e.mode):04o}" for e in (old, new))
    found = []
    for name in left:
        if left[name] == right[name] or (ignore_times and name == "mtime"):
            continue
        opaque = name in {"content", "xattrs"}
        found.append(name if opaque else f"{name} {left[name]} -> {right[name]}")
    return found
