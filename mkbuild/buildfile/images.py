"""The images of one build file: checked, one draft a target, matrices multiplied out."""

import itertools
import re
from collections.abc import Callable

from mkbuild.buildfile import yaml
from mkbuild.buildfile.check import Checker
from mkbuild.buildfile.describe import dotted, found
from mkbuild.buildfile.include import Source
from mkbuild.buildfile.models import NAME, ImageModel
from mkbuild.buildfile.names import label_of
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Name, Scene, Settings, settings_of
from mkbuild.buildfile.variables import Variables
from mkbuild.frozen import frozen
from mkbuild.location import Location

MAX_MATRIX = 1000

_NAME = re.compile(NAME + r"\Z")
_RESERVED = frozenset({"all"})


@frozen
class Draft:
    """A target before inheritance: its own settings, and what it takes over."""

    label: str
    name: str
    location: Location
    source: Source
    settings: Settings
    inherits: tuple[Name, ...] = ()
    matrix_of: str = ""

    @property
    def template(self) -> bool:
        """Whether it is only there to be inherited."""
        return self.name.startswith("_")


def drafts_of(source: Source, variables: Variables, problems: Problems) -> list[Draft]:
    """Return a file's drafts in order; what is wrong is in the problems."""
    images = source.tree.get("images")
    if not isinstance(images, yaml.Mapping):
        return []  # a wrong type is found when the document is checked
    drafts: list[Draft] = []
    for key, (place, node) in images.entries.items():
        combinations = _combinations(node, key, variables, problems)
        for combination in combinations:
            reader = _Reader(source, Checker(variables, problems, combination), problems)
            draft = reader.read(key, place, node)
            if draft:
                drafts.append(draft)
    return drafts


class _Reader:
    def __init__(self, source: Source, checker: Checker, problems: Problems) -> None:
        self.source = source
        self.checker = checker
        self.problems = problems

    def read(self, key: str, place: Location, node: yaml.Node) -> Draft | None:
        path = ("images", key)
        model = self.checker.check(ImageModel, node, path)
        if model is None or not isinstance(node, yaml.Mapping):
            return None

        def locate(*names: str | int) -> Location:
            there = str(names[0]) in node.entries
            return (yaml.locate(node, names) if there else None) or place

        def fail(what: str, where: Location) -> None:
            self.problems.add(f"{dotted(path)}.{what}", where)

        name = self._name(key, place, model, locate)
        if name is None:
            return None
        scene = Scene(self.source.directory, self.source.label, locate, fail)
        inherits = tuple(
            Name(text, scene.label, locate("inherits", index))
            for index, text in enumerate(model.inherits)
        )
        return Draft(
            label_of(scene.label, name),
            name,
            place,
            self.source,
            settings_of(model, scene, tuple(self.checker.uses)),
            inherits,
            key if model.matrix else "",
        )

    def _name(
        self, key: str, place: Location, model: ImageModel, locate: Callable[..., Location]
    ) -> str | None:
        where, name = place, key
        if model.matrix:
            where, name = locate("name"), model.name
            if not name:
                example = "-".join(f"${{matrix.{axis}}}" for axis in model.matrix)
                self.problems.add(
                    f"images.{key}: a matrix needs a name for each target",
                    place,
                    f'write name: "{key}-{example}"',
                )
                return None
        elif model.name:
            self.problems.add(
                f"images.{key}.name: only with a matrix; the key is the name", locate("name")
            )
        if not _NAME.match(name):
            self.problems.add(
                f"images.{key}: the name {name!r}; allowed: letters, digits, '_', '.', '-' "
                "(these two not at its ends)",
                where,
            )
            return None
        if name in _RESERVED:
            self.problems.add(f"images.{key}: the name {name!r} means every target", where)
            return None
        return name


def _combinations(
    node: yaml.Node, key: str, variables: Variables, problems: Problems
) -> list[dict[str, str]]:
    matrix = node.get("matrix") if isinstance(node, yaml.Mapping) else None
    if not isinstance(matrix, yaml.Mapping) or not matrix.entries:
        return [{}]
    checker = Checker(variables, problems)
    axes: list[list[str]] = []
    size = 1
    for axis, (_, values) in matrix.entries.items():
        path = ("images", key, "matrix", axis)
        if not isinstance(values, yaml.Sequence) or not values.items:
            what = "an empty list" if isinstance(values, yaml.Sequence) else found(values)
            problems.add(
                f"{dotted(path)}: found {what}; allowed: a list of values", values.location
            )
            return []
        texts = []
        for index, item in enumerate(values.items):
            if not isinstance(item, yaml.Scalar) or item.null:
                at = dotted((*path, f"[{index}]"))
                problems.add(f"{at}: found {found(item)}; allowed: text", item.location)
                return []
            texts.append(checker.text(item, (*path, f"[{index}]"), 2))
        axes.append(texts)
        size *= len(texts)
    if size > MAX_MATRIX:
        problems.add(
            f"images.{key}.matrix: {size} combinations; allowed: {MAX_MATRIX}", matrix.location
        )
        return []
    return [dict(zip(matrix.entries, values, strict=True)) for values in itertools.product(*axes)]
