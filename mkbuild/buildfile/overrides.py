"""``--set PATTERN.KEY=VALUE`` and a profile's ``set``: settings put on top by pattern."""

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from mkbuild.buildfile import yaml
from mkbuild.buildfile.aliases import meant_by
from mkbuild.buildfile.check import Checker
from mkbuild.buildfile.describe import KeyPath, dotted
from mkbuild.buildfile.models import ImageModel
from mkbuild.buildfile.names import split_label
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Scene, Settings, settings_of
from mkbuild.frozen import frozen
from mkbuild.location import Location

FIELDS = frozenset(ImageModel.model_fields) - {"inherits", "matrix", "name"}
_LISTS = frozenset({"tags", "platforms", "depends_on", "groups", "no_cache_filter"})
_RECORDS = frozenset({"secrets", "ssh", "outputs"})


@frozen
class Override:
    """Settings for every target that the pattern matches."""

    pattern: str
    settings: Settings
    location: Location

    def matches(self, label: str) -> bool:
        """Tell whether a target's label or short name matches."""
        return fnmatchcase(label, self.pattern) or fnmatchcase(split_label(label)[1], self.pattern)


def split_key(text: str) -> tuple[str, str, str] | None:
    """Split ``PATTERN.KEY[.SUBKEY]``; bake's spellings of keys count. None without a known key.

    A pattern may hold dots itself (``cuda-12.4``): it ends before the first key that is known.
    """
    words = text.split(".")
    for index in range(1, len(words)):
        key = words[index] if words[index] in FIELDS else meant_by(words[index], FIELDS)
        if key:
            return ".".join(words[:index]), key, ".".join(words[index + 1 :])
    return None


class OverrideReader:
    """Reads overrides; what is wrong goes to the problems."""

    def __init__(self, problems: Problems, root: str) -> None:
        """Take the workspace's root directory, which paths are seen from."""
        self.problems = problems
        self.root = root

    def command_line(self, texts: Sequence[str]) -> list[Override]:
        """Read ``--set``; the same key again adds to a list."""
        nodes: dict[tuple[str, str], tuple[Location, yaml.Node]] = {}
        for text in texts:
            place = Location(f"--set {text}")
            target, equals, value = text.partition("=")
            parts = split_key(target)
            if not equals:
                self.problems.add("no '='", place, "write --set PATTERN.KEY=VALUE")
            elif parts is None:
                self._unknown(target, place)
            else:
                pattern, key, subkey = parts
                node = _member(key, subkey, value, place)
                before = nodes.get((pattern, key))
                merged = _joined(before[1], node) if before else node
                nodes[pattern, key] = (place, merged)
        checker = Checker(None, self.problems)
        return [
            override
            for (pattern, key), (place, node) in nodes.items()
            if (override := self._override(checker, (), pattern, (key, place, node)))
        ]

    def profile(self, checker: Checker, path: KeyPath, entries: yaml.Mapping) -> list[Override]:
        """Read a profile's ``set``."""
        overrides = []
        for text, (place, node) in entries.entries.items():
            parts = split_key(text)
            if parts is None:
                self._unknown(text, place, (*path, text))
                continue
            pattern, key, subkey = parts
            if subkey:
                node = yaml.Mapping({subkey: (place, node)}, place)  # noqa: PLW2901 -- wrapped
            override = self._override(checker, (*path, pattern), pattern, (key, place, node))
            if override:
                overrides.append(override)
        return overrides

    def _override(
        self,
        checker: Checker,
        path: KeyPath,
        pattern: str,
        member: tuple[str, Location, yaml.Node],
    ) -> Override | None:
        key, place, node = member
        checker = checker.fresh()
        model = checker.check(ImageModel, yaml.Mapping({key: (place, node)}, place), path)
        if model is None:
            return None
        settings = settings_of(
            model, Scene(self.root, "", lambda *_: place, self.problems.add), tuple(checker.uses)
        )
        return Override(pattern, settings, place)

    def _unknown(self, text: str, place: Location, path: KeyPath = ()) -> None:
        key = text.rpartition(".")[2]
        prefix = f"{dotted(path)}: " if path else ""
        if "." not in text:
            self.problems.add(
                f"{prefix}found {text!r}; allowed: PATTERN.KEY",
                place,
                f"for every target, write '*.{text}'",
            )
            return
        self.problems.add(
            f"{prefix}unknown key {key!r}; allowed: {', '.join(sorted(FIELDS))}",
            place,
            did_you_mean(key, FIELDS),
        )


def apply(
    overrides: Sequence[Override], labels: Sequence[str], problems: Problems
) -> Callable[[str, Settings], Settings]:
    """Return a function that puts overrides on a target's settings; each must match a target."""
    for override in overrides:
        if not any(override.matches(label) for label in labels):
            problems.add(
                f"no target matches {override.pattern!r}",
                override.location,
                did_you_mean(override.pattern, labels),
            )

    def put(label: str, settings: Settings) -> Settings:
        for override in overrides:
            if override.matches(label):
                settings = override.settings.over(settings)
        return settings

    return put


def _member(key: str, subkey: str, value: str, place: Location) -> yaml.Node:
    scalar = yaml.Scalar(value, plain=False, location=place)
    if subkey:
        return yaml.Mapping({subkey: (place, scalar)}, place)
    if key in _LISTS:
        items = [
            yaml.Scalar(part, plain=False, location=place) for part in value.split(",") if part
        ]
        return yaml.Sequence(tuple(items), place)
    if key in _RECORDS:
        return yaml.Sequence((_record(value, place),), place)
    return scalar


def _record(value: str, place: Location) -> yaml.Node:
    entries: dict[str, tuple[Location, yaml.Node]] = {}
    for part in value.split(","):
        name, equals, text = part.partition("=")
        if not equals:
            name, text = "id", part
        entries[name] = (place, yaml.Scalar(text, plain=False, location=place))
    return yaml.Mapping(entries, place)


def _joined(first: yaml.Node, second: yaml.Node) -> yaml.Node:
    if isinstance(first, yaml.Sequence) and isinstance(second, yaml.Sequence):
        return yaml.Sequence((*first.items, *second.items), second.location)
    if isinstance(first, yaml.Mapping) and isinstance(second, yaml.Mapping):
        return yaml.Mapping({**first.entries, **second.entries}, second.location)
    return second
