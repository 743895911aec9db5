"""YAML as a tree of nodes that know their place; values stay the text that was written.

Reading ``3.10`` as a number would make ``3.1`` of it: what a scalar means is decided by the member
that it stands for. Aliases share their node, and what they would expand to is counted, so a bomb
is refused before anything is expanded.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias, Union

import yaml

from mkbuild.errors import BuildFileError
from mkbuild.frozen import frozen
from mkbuild.location import Location

MAX_DEPTH = 64
MAX_ALIASED = 100_000
MAX_BYTES = 8 << 20
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@frozen
class Scalar:
    """Text as written; ``plain`` tells that it was not quoted."""

    text: str
    plain: bool
    location: Location
    size: int = 1

    @property
    def null(self) -> bool:
        """Whether it says that there is no value."""
        return self.plain and self.text in _NULLS


@frozen
class Sequence:
    """A list; ``size`` counts the nodes in it, those behind aliases as often as they appear."""

    items: tuple["Node", ...]
    location: Location
    size: int = 1


@frozen
class Mapping:
    """A mapping: each key's text with the key's place and the value."""

    entries: dict[str, tuple[Location, "Node"]]
    location: Location
    size: int = 1

    def get(self, key: str) -> "Node | None":
        """Return a key's value, or None."""
        entry = self.entries.get(key)
        return entry[1] if entry else None

    def without(self, *keys: str) -> "Mapping":
        """Return the mapping with some keys left out."""
        return replace(self, entries={k: v for k, v in self.entries.items() if k not in keys})


Node: TypeAlias = Union[Scalar, Sequence, Mapping]


def locate(node: Node | None, names: tuple[str | int, ...]) -> Location | None:
    """Return the place of a key path (keys and indexes), as far down as it exists."""
    place = node.location if node else None
    for name in names:
        if isinstance(node, Mapping) and str(name) in node.entries:
            place, node = node.entries[str(name)]
        elif isinstance(node, Sequence) and isinstance(name, int) and name < len(node.items):
            node = node.items[name]
            place = node.location
    return place


def parse(data: bytes, file: str) -> Node | None:
    """Read one document; None where it is empty. Raises BuildFileError with the place."""
    if len(data) > MAX_BYTES:
        raise BuildFileError(
            f"the file has {len(data)} bytes; a build file may have {MAX_BYTES}",
            location=Location(file),
        )
    try:
        return _Tree(file, iter(yaml.parse(data.decode(), Loader=_LOADER))).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = ", ".join(part for part in (error.context, error.problem) if part)
        place = Location(file, mark.line + 1, mark.column + 1) if mark else Location(file)
        raise BuildFileError(f"not valid YAML: {what}", location=place) from error
    except yaml.YAMLError as error:
        position = error.position if isinstance(error, yaml.reader.ReaderError) else 0
        line = data.count(b"\n", 0, position) + 1
        what = str(error).splitlines()[0]
        raise BuildFileError(f"not valid YAML: {what}", location=Location(file, line)) from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BuildFileError("not UTF-8 text", location=Location(file, line)) from error


class _Tree:
    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self.file = file
        self.events = events
        self.anchors: dict[str, Node | None] = {}
        self.aliased = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self.error(event, "a second document: a build file is a single one")
            elif isinstance(event, yaml.NodeEvent):
                root = self.node(event, 0)
        return None if isinstance(root, Scalar) and root.null else root

    def place(self, event: yaml.Event) -> Location:
        mark = event.start_mark
        assert mark is not None  # noqa: S101 -- the parser marks all events
        return Location(self.file, mark.line + 1, mark.column + 1)

    def error(self, event: yaml.Event, message: str, hint: str | None = None) -> BuildFileError:
        return BuildFileError(message, location=self.place(event), hint=hint)

    def node(self, event: yaml.Event, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event)
        if depth > MAX_DEPTH:
            raise self.error(event, f"nested more than {MAX_DEPTH} levels deep")
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)  # noqa: S101
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            raise self.error(
                event, f"the tag {event.tag!r}: tags are not supported", "leave it out"
            )
        if isinstance(event, yaml.ScalarEvent) and "\0" in event.value:
            raise self.error(event, "a NUL character: nothing that a build file names can have one")
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            plain = bool(event.implicit[0]) and event.tag is None
            node = Scalar(event.value, plain, self.place(event))
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, depth)
        else:
            node = self.mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: yaml.AliasEvent) -> Node:
        if event.anchor not in self.anchors:
            raise self.error(event, f"the alias *{event.anchor} has no anchor before it")
        node = self.anchors[event.anchor]
        if node is None:
            raise self.error(event, f"the alias *{event.anchor} stands inside what it refers to")
        self.aliased += node.size
        if self.aliased > MAX_ALIASED:
            raise self.error(
                event,
                f"aliases that expand to more than {MAX_ALIASED} values",
                "anchors that refer to each other grow exponentially; write out what is meant",
            )
        return node

    def sequence(self, start: yaml.Event, depth: int) -> Sequence:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return Sequence(tuple(items), self.place(start), 1 + sum(item.size for item in items))

    def mapping(self, start: yaml.Event, depth: int) -> Mapping:
        entries: dict[str, tuple[Location, Node]] = {}
        merged: list[Mapping] = []
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self.node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise self.error(event, "a key must be text")
            value = self.node(next(self.events), depth + 1)
            if key.text == "<<" and key.plain:
                merged += self.merged(event, value)
            elif key.text in entries:
                raise self.error(
                    event,
                    f"the key {key.text!r} stands twice; first at line {entries[key.text][0].line}",
                )
            else:
                entries[key.text] = (self.place(event), value)
        for source in merged:
            entries = {**source.entries, **entries}
        size = 1 + sum(1 + value.size for _, value in entries.values())
        return Mapping(entries, self.place(start), size)

    def merged(self, event: yaml.Event, value: Node) -> list[Mapping]:
        sources = value.items if isinstance(value, Sequence) else (value,)
        mappings = [source for source in sources if isinstance(source, Mapping)]
        if len(mappings) != len(sources):
            raise self.error(event, "'<<' takes a mapping or a list of mappings")
        return mappings
