"""How messages name a key and show what was found there."""

from mkbuild.buildfile import yaml

KeyPath = tuple[str, ...]
"""Keys from the document's root; an item of a list is ``[0]``."""

_SHOWN = 60


def dotted(path: KeyPath) -> str:
    """Render a key path: ``images.api.tags[0]``."""
    return ".".join(path).replace(".[", "[")


def found(node: yaml.Node) -> str:
    """Say what stands there."""
    match node:
        case yaml.Mapping():
            return "a mapping"
        case yaml.Sequence():
            return "a list"
        case yaml.Scalar():
            if node.null:
                return "nothing"
            text = node.text
            return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
