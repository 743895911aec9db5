"""A node of the tree checked against a model: values filled in, every error at its place."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mkbuild.buildfile import yaml
from mkbuild.buildfile.aliases import hint_for
from mkbuild.buildfile.describe import KeyPath, dotted, found
from mkbuild.buildfile.interpolate import TemplateError, needs_inputs
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.target import GitUse
from mkbuild.buildfile.variables import Variables
from mkbuild.location import Location

M = TypeVar("M", bound=BaseModel)

_LITERAL = ("dockerfile_inline",)
_WAITING = {
    "digest": frozenset({"tags", "labels"}),
    "commit": frozenset({"tags", "labels", "args"}),
}
_ALLOWED = {
    "string_type": "text",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "list_type": "a list",
}


class Checker:
    """Reads nodes with one set of variables (and one combination of a matrix).

    ``uses`` gathers the git facts that went into values. Problems are gathered, not raised.
    """

    def __init__(
        self,
        variables: Variables | None,
        problems: Problems,
        matrix: Mapping[str, str] | None = None,
    ) -> None:
        """Without variables, text stays as it is written."""
        self.variables = variables
        self.problems = problems
        self.matrix = matrix or {}
        self.uses: list[GitUse] = []
        self._failed: set[Location] = set()

    def check(self, model: type[M], node: yaml.Node, path: KeyPath) -> M | None:
        """Return the model, or None where problems were found."""
        before = len(self.problems)
        data = self.plain(node, path, len(path))
        try:
            checked = model.model_validate(data)
            return checked if len(self.problems) == before else None
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._explain(model, node, path, detail)
            return None

    def plain(self, node: yaml.Node, path: KeyPath, base: int) -> object:
        """Return dicts, lists, texts and None, variables filled in; ``base`` begins the member."""
        match node:
            case yaml.Mapping():
                for key, (place, _) in node.entries.items():
                    if "${" in key:
                        self.problems.add(
                            f"{dotted((*path, key))}: a key is taken as it stands",
                            place,
                            "variables are filled in in values only",
                        )
                return {
                    key: self.plain(value, (*path, key), base)
                    for key, (_, value) in node.entries.items()
                }
            case yaml.Sequence():
                return [
                    self.plain(item, (*path, f"[{index}]"), base)
                    for index, item in enumerate(node.items)
                ]
            case yaml.Scalar():
                return None if node.null else self.text(node, path, base)

    def text(self, node: yaml.Scalar, path: KeyPath, base: int) -> str:
        """Return a scalar's text, variables filled in."""
        if self.variables is None or "$" not in node.text or path[base:] == _LITERAL:
            return node.text
        try:
            expanded = self.variables.expand(node.text, self.matrix)
        except TemplateError as error:
            self.problems.add(
                f"{dotted(path)}: {error.message}", _shift(node, error.offset), error.hint
            )
            self._failed.add(node.location)
            return node.text
        member = path[base] if len(path) > base else ""
        for waits in needs_inputs(expanded.text):
            if member not in _WAITING[waits]:
                allowed = ", ".join(sorted(_WAITING[waits]))
                self.problems.add(
                    f"{dotted(path)}: ${{inputs.{waits}}} is not known yet here; "
                    f"it may be used in: {allowed}",
                    node.location,
                )
        self.uses += [
            GitUse(dotted(path[base:]), fact, node.location) for fact in sorted(expanded.facts)
        ]
        return expanded.text

    def fresh(self) -> "Checker":
        """Return a checker like this one that has seen no git facts yet."""
        return Checker(self.variables, self.problems, self.matrix)

    def _explain(
        self, model: type[BaseModel], node: yaml.Node, path: KeyPath, detail: ErrorDetails
    ) -> None:
        loc = detail["loc"]
        place, value, names = _walk(node, loc)
        key = dotted((*path, *names)) or "the build file"
        match detail["type"]:
            case "extra_forbidden":
                allowed = frozenset(_model_at(model, loc[:-1]).model_fields)
                word = str(loc[-1])
                self.problems.add(
                    f"{key}: unknown key {word!r}; allowed: {', '.join(sorted(allowed))}",
                    place,
                    hint_for(word, allowed) or did_you_mean(word, allowed),
                )
            case "missing":
                self.problems.add(f"{key}: the key {str(loc[-1])!r} is missing", place)
            case "union_tag_not_found":
                self.problems.add(f"{key}: the key 'type' is missing", place)
            case "union_tag_invalid":
                assert isinstance(value, yaml.Mapping)  # noqa: S101 -- it has a tag
                tag = value.entries["type"][1]
                self._wrong(
                    f"{key}.type", tag, detail["ctx"]["expected_tags"], detail["ctx"]["tag"]
                )
            case _:
                self._wrong(key, value, _allowed(detail), detail["input"])

    def _wrong(self, key: str, value: yaml.Node, allowed: str, given: object) -> None:
        if value.location in self._failed:
            return  # a variable in it could not be filled in, which is said already
        what, hint = found(value), None
        if isinstance(value, yaml.Scalar) and isinstance(given, str):
            if given != value.text:
                what = f"{given!r} (from {value.text!r})"
            hint = did_you_mean(given, allowed.split("'")[1::2])
        self.problems.add(f"{key}: found {what}; allowed: {allowed}", value.location, hint)


def _shift(node: yaml.Scalar, offset: int) -> Location:
    place = node.location
    if "\n" in node.text:
        return place
    quote = 0 if node.plain else 1
    return Location(place.file, place.line, place.column + quote + offset)


def _allowed(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in _ALLOWED:
        return _ALLOWED[kind]
    context = detail.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"])
    if kind == "greater_than_equal":
        return f"{context['ge']} or more"
    if kind == "greater_than":
        return f"more than {context['gt']}"
    if kind == "value_error":
        return str(context["error"]).removeprefix("allowed: ")
    return detail["msg"]


def _walk(node: yaml.Node, loc: tuple[str | int, ...]) -> tuple[Location, yaml.Node, list[str]]:
    place, names = node.location, []
    for part in loc:
        if isinstance(node, yaml.Mapping) and str(part) in node.entries:
            place, node = node.entries[str(part)]
            names.append(str(part))
        elif isinstance(node, yaml.Sequence) and isinstance(part, int):
            node = node.items[part]
            place = node.location
            names.append(f"[{part}]")
    return place, node, names


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    annotation: Any = model
    for part in loc:
        annotation = _step(_bare(annotation), part)
    annotation = _bare(annotation)
    assert isinstance(annotation, type)  # noqa: S101 -- only a model forbids extra keys
    return annotation


def _bare(annotation: Any) -> Any:  # noqa: ANN401 -- annotations have no better type
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    members = [arg for arg in get_args(annotation) if arg is not type(None)]
    if get_origin(annotation) not in (list, dict, Literal) and len(members) == 1:
        return _bare(members[0])
    return annotation


def _step(annotation: Any, part: str | int) -> Any:  # noqa: ANN401 -- as above
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields[str(part)].annotation
    if get_origin(annotation) in (list, dict):
        return get_args(annotation)[-1]
    return next(
        member
        for member in get_args(annotation)
        if part in get_args(member.model_fields["type"].annotation)
    )
