"""Which target a name means, seen from a directory of the workspace."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType


def label_of(directory: str, name: str) -> str:
    """Return a target's label: its name in the workspace's root, else ``//dir:name``."""
    return f"//{directory}:{name}" if directory else name


def split_label(label: str) -> tuple[str, str]:
    """Return a label's directory (empty: the root) and name."""
    if not label.startswith("//"):
        return "", label
    directory, _, name = label[2:].rpartition(":")
    return directory, name


class Names:
    """Finds labels by label or short name."""

    def __init__(self, labels: Iterable[str]) -> None:
        """Take the labels that there are."""
        by_name: dict[str, list[str]] = {}
        for label in labels:
            by_name.setdefault(split_label(label)[1], []).append(label)
        self.by_name: Mapping[str, list[str]] = MappingProxyType(by_name)
        self.labels = frozenset(label for found in by_name.values() for label in found)

    def find(self, text: str, directory: str = "") -> tuple[str, ...]:
        """Return the labels that a text may mean: none, one, or several where it is ambiguous.

        A label means itself. A short name means the target of the same directory, else the root's,
        else all that have this name.
        """
        if text.startswith("//"):
            label = label_of(*split_label(text))
            return (label,) if label in self.labels else ()
        for candidate in (label_of(directory, text), text):
            if candidate in self.labels:
                return (candidate,)
        return tuple(sorted(self.by_name.get(text, ())))

    def known(self) -> frozenset[str]:
        """Return all labels and short names, for spelling hints."""
        return self.labels | frozenset(self.by_name)
