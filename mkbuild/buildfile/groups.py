"""Groups: those of all files, what images say of themselves, and one for each matrix."""

import re
from collections.abc import Iterable, Mapping

from mkbuild.buildfile import yaml
from mkbuild.buildfile.document import Document
from mkbuild.buildfile.images import Draft
from mkbuild.buildfile.models import NAME
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.target import Group, GroupItem, Target
from mkbuild.location import Location

_NAME = re.compile(NAME + r"\Z")
_ALL = "all"


def groups_of(
    documents: Iterable[Document],
    targets: Mapping[str, Target],
    drafts: Mapping[str, Draft],
    problems: Problems,
) -> dict[str, Group]:
    """Return the groups by name; several declarations of one are joined."""
    items: dict[str, dict[GroupItem, None]] = {}
    for document in documents:
        node = document.source.tree.get("groups")
        for name, texts in document.model.groups.items():
            _check(f"groups.{name}", name, yaml.locate(node, (name,)), problems)
            found = items.setdefault(name, {})
            for index, text in enumerate(texts):
                place = yaml.locate(node, (name, index)) or document.source.tree.location
                found[GroupItem(text, place, document.source.label)] = None
    for label, target in targets.items():
        for name in target.groups:
            _check(f"images.{target.name}.groups", name, target.location, problems)
            items.setdefault(name, {})[GroupItem(label, target.location)] = None
        matrix = drafts[label].matrix_of
        if matrix:
            items.setdefault(matrix, {})[GroupItem(label, target.location)] = None
    return {name: Group(name, tuple(found)) for name, found in items.items()}


def _check(key: str, name: str, place: Location | None, problems: Problems) -> None:
    if place is None:
        return
    if name == _ALL:
        problems.add(f"{key}: the name 'all' means every target already", place)
    elif not _NAME.match(name):
        problems.add(
            f"{key}: found {name!r}; allowed: letters, digits, '_', '.', '-' (these two not at "
            "its ends)",
            place,
        )
