"""Finished images: config, manifest, names."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mkbuild import digest as digests
from mkbuild.action import LayerRecord
from mkbuild.buildfile.interpolate import resolve_inputs
from mkbuild.buildfile.target import Target
from mkbuild.cache.protocol import KeyValue, Record
from mkbuild.digest import Digest
from mkbuild.engine.executor import StepReport
from mkbuild.frozen import frozen
from mkbuild.oci import mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Index, Manifest
from mkbuild.plan.image import PlannedImage, StateOf
from mkbuild.store.protocol import BlobStore


@frozen
class BuiltImage:
    """One image of one platform; its config and manifest are in the store.

    ``base_layers``: how many of the manifest's layers came with the base, and may not be here.
    """

    label: str
    names: tuple[str, ...]
    manifest: Manifest
    config: ImageConfig
    inputs: Digest
    planned: PlannedImage
    base_layers: int
    steps: tuple[StepReport, ...] = ()


@frozen
class BuiltTarget:
    """A target's image: one manifest, or an index of several platforms, in order."""

    label: str
    names: tuple[str, ...]
    document: Manifest | Index
    images: tuple[BuiltImage, ...]

    @classmethod
    def of(cls, images: Sequence[BuiltImage], store: BlobStore) -> "BuiltTarget":
        """Join the images of a target's platforms (at least one)."""
        first = images[0]
        if len(images) == 1:
            return cls(first.label, first.names, first.manifest, (first,))
        described = tuple(
            replace(image.manifest.descriptor(), platform=image.config.platform) for image in images
        )
        index = Index.build(described)
        store.put(index.raw)
        return cls(first.label, first.names, index, tuple(images))

    @property
    def size(self) -> int:
        """Bytes of all layers as they are transferred, each once."""
        layers = {layer.digest: layer.size for i in self.images for layer in i.manifest.layers}
        return sum(layers.values())

    @property
    def steps(self) -> tuple[StepReport, ...]:
        """The steps of all platforms, each once."""
        return tuple({step.key: step for i in self.images for step in i.steps}.values())


def assemble(  # noqa: PLR0913 -- what an image consists of
    target: Target,
    planned: PlannedImage,
    *,
    base: Sequence[Descriptor],
    layers: Sequence[LayerRecord],
    state_of: StateOf,
    definition: str,
    created: Callable[[ImageConfig], str],
    commit: str,
    store: BlobStore,
    steps: Sequence[StepReport] = (),
) -> BuiltImage:
    """Write an image's config and manifest; ``definition`` is its last step's definition key."""
    skeleton = planned.config.to_json().decode("utf-8", "surrogateescape")
    inputs = digests.of_value("mkbuild.inputs.v1", [definition, skeleton])
    planned = _with_labels(planned, inputs, commit)
    diff_ids = tuple(layer.diff_id for layer in layers)
    config = planned.finish(state_of, diff_ids, "")
    config = planned.finish(state_of, diff_ids, created(config))
    data = config.to_json()
    descriptors = [Descriptor(layer.media_type, layer.digest, layer.size) for layer in layers]
    manifest = mutate.manifest(data, [*base, *descriptors])
    store.put(data)
    store.put(manifest.raw)
    names = tuple(resolve_inputs(tag, digests.hex_of(inputs), commit) for tag in target.tags)
    return BuiltImage(
        label=target.label,
        names=names,
        manifest=manifest,
        config=config,
        inputs=inputs,
        planned=planned,
        base_layers=len(base),
        steps=tuple(steps),
    )


def _with_labels(planned: PlannedImage, inputs: Digest, commit: str) -> PlannedImage:
    """Fill in what labels say of the inputs, which is known only now."""
    labels: Mapping[str, str] = planned.config.config.labels
    filled = {
        key: resolve_inputs(value, digests.hex_of(inputs), commit) for key, value in labels.items()
    }
    if filled == labels:
        return planned
    config = planned.config.with_config(replace(planned.config.config, labels=filled))
    return replace(planned, config=config)


class CreationTimes:
    """When an image was created, as its config says.

    With an epoch, always that. Without one, the time at which an image of the same content was
    first made here, so that building it again gives the same digest.
    """

    def __init__(self, epoch: int | None, known: KeyValue) -> None:
        """Remember times in a key-value store."""
        self._epoch = epoch
        self._known = known

    def __call__(self, config: ImageConfig) -> str:
        """Return the time for a config that has none yet (RFC 3339)."""
        if self._epoch is not None:
            return rfc3339(self._epoch)
        key = "created." + digests.hex_of(digests.of(config.to_json()))
        found = self._known.get_many([key]).get(key)
        if found is None:
            found = rfc3339(int(time.time())).encode()
            self._known.put_many({key: Record(found)})
        return found.decode()


def rfc3339(seconds: int) -> str:
    """Render a time as RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
