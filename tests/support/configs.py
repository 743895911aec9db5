"""Image configs for tests."""

from dataclasses import replace

from mkbuild import digest as digests
from mkbuild.oci.model import History, ImageConfig


def with_layers(config: ImageConfig, *layers: bytes) -> ImageConfig:
    """Return a config with layers on top, lowest first, which are given uncompressed."""
    diff_ids = tuple(map(digests.of, layers))
    lines = tuple(History(created_by="test") for _ in layers)
    return replace(
        config, diff_ids=(*config.diff_ids, *diff_ids), history=(*config.history, *lines)
    )
