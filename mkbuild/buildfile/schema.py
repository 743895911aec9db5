"""The build file's JSON schema, for editors and checks."""

from typing import Any

from mkbuild.buildfile.models import DocumentModel

SCHEMA_ID = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"type": "string", "pattern": r"\$\{"}

Schema = dict[str, Any]


def build_file_schema() -> Schema:
    """Return the schema (JSON Schema 2020-12); a variable may stand wherever a scalar may."""
    schema = _adapted(DocumentModel.model_json_schema())
    for name, definition in schema["$defs"].items():
        definition["title"] = name.removesuffix("Model").removeprefix("_")
    # Left out by editors that complete keys, yet allowed: places for YAML anchors.
    schema["patternProperties"] = {"^x-": {}}
    schema["title"] = "mkbuild build file"
    return {"$schema": SCHEMA_ID, **schema}


def _adapted(node: Any, *, names: bool = False) -> Any:  # noqa: ANN401 -- any JSON
    """Drop generated titles and nulls, and let ``${NAME}`` stand for numbers, words, booleans.

    ``names``: the keys of ``node`` are names that users write, not words of JSON Schema.
    """
    if isinstance(node, list):
        return [_adapted(item) for item in node]
    if not isinstance(node, dict):
        return node
    members = {
        key: _adapted(value, names=not names and key in ("properties", "$defs"))
        for key, value in node.items()
        if names or not _generated(key, value)
    }
    if names:
        return members
    choices = [choice for choice in members.get("anyOf", ()) if choice.get("type") != "null"]
    if len(choices) == 1:
        del members["anyOf"]
        members = {**choices[0], **members}
    if members.get("type") in ("boolean", "integer", "number") or "enum" in members:
        return _or_variable(members)
    return members


def _generated(key: str, value: object) -> bool:
    """Tell what only says how the models are written: class names, empty defaults."""
    return key == "title" or (key == "default" and (not value or isinstance(value, dict)))


def _or_variable(members: Schema) -> Schema:
    outer: Schema = {key: members[key] for key in ("description", "default") if key in members}
    inner = {key: value for key, value in members.items() if key not in outer}
    return {**outer, "anyOf": [inner, _VARIABLE]}
