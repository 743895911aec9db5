"""What built images hold: their layers, as a run's record keeps them."""

from typing import Any

from mkbuild.engine.images import BuiltImage, BuiltTarget


def contents(target: BuiltTarget) -> list[dict[str, Any]]:
    """Return each platform's image with its layers, the lowest first, as JSON objects.

    ``size`` is that of the blob; ``base``: it came with the base image; ``created_by`` is what the
    history says of it (OCI image spec, config.md).
    """
    return [
        {
            "platform": str(image.config.platform),
            "digest": image.manifest.digest,
            "layers": _layers(image),
        }
        for image in target.images
    ]


def _layers(image: BuiltImage) -> list[dict[str, Any]]:
    layers = image.manifest.layers
    made = [entry.created_by for entry in image.config.history if not entry.empty_layer]
    return [
        {
            "digest": layer.digest,
            "size": layer.size,
            "base": number < image.base_layers,
            "created_by": created_by,
        }
        for number, (layer, created_by) in enumerate(zip(layers, made, strict=True))
    ]
