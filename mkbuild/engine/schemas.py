"""JSON schemas (2020-12) of what mkbuild writes for other programs.

Those of events are made of the events themselves, so that none is forgotten.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mkbuild.buildfile.schema import SCHEMA_ID, build_file_schema
from mkbuild.engine.preview import VERSION
from mkbuild.events import Event, Status
from mkbuild.progress.jsonlines import name_of

Schema = dict[str, Any]

_TEXT = {"type": "string"}
_DIGEST = {"type": "string", "pattern": "^[a-z0-9]+:[0-9a-f]+$"}
_SECONDS = {"type": "number", "minimum": 0}


def _object(properties: Mapping[str, Schema], *optional: str, **more: Any) -> Schema:  # noqa: ANN401 -- any JSON
    required = [name for name in properties if name not in optional]
    shape = {"properties": dict(properties), "required": required, "additionalProperties": False}
    return {**more, "type": "object", **shape}


def _map(values: Schema, **more: Any) -> Schema:  # noqa: ANN401 -- any JSON
    return {**more, "type": "object", "additionalProperties": values}


def _said(schema: Schema, description: str) -> Schema:
    return {"description": description, **schema}


def _status(*words: str) -> Schema:
    return {"enum": [word for word in get_args(Status) if word in words or not words]}


def _step(**more: Schema) -> dict[str, Schema]:
    return {
        "stage": _said(_TEXT, "Name of the stage, stage-N where it has none."),
        "instruction": _said(_TEXT, "As it is written, its ARGs not expanded."),
        "location": _said(_TEXT, "File, line and column, colons between them."),
        "key": _said(_DIGEST, "The definition key: what the step is, of what it is made."),
        **more,
    }


def metadata_schema() -> Schema:
    """Describe what ``--metadata-file`` writes."""
    step = _step(
        status=_status("hit-local", "hit-remote", "ran", "skipped"),
        seconds=_said(_SECONDS, "How long it ran; 0 of a hit."),
        layer=_said(_TEXT, "Digest of the layer that ends with the step, empty where none does."),
    )
    target = _object(
        {
            "containerimage.digest": _said(_DIGEST, "Of the manifest, or of the index."),
            "containerimage.config.digest": _said(_DIGEST, "Of the first platform's config."),
            "image.name": _said(
                _TEXT, "All names, separated by commas; of a run that pushes, those it pushes."
            ),
            "inputs.digest": _said(_DIGEST, "Of all that the image is made of."),
            "steps": {"type": "array", "items": _object(step)},
        }
    )
    return {
        "$schema": SCHEMA_ID,
        "title": "mkbuild metadata file",
        **_map(target, description="By target; keys with dots are those of docker buildx bake."),
    }


def plan_schema() -> Schema:
    """Describe what ``plan --json`` writes."""
    step = _step(
        target=_said(_TEXT, "Where the step is written."),
        status=_status("hit-local", "hit-remote", "miss"),
        bytes={
            "description": "Size of the layer that ends with it; 0 where nobody knows.",
            "type": "integer",
            "minimum": 0,
        },
        seconds=_said(_SECONDS, "How long it took when it ran; 0 where nobody knows."),
        why=_said(_TEXT, "Why it is no hit, where that is known."),
    )
    steps = {"type": "array", "items": _object(step, "why")}
    document = _object(
        {
            "version": {"const": VERSION},
            "targets": _map(steps, description="The steps that each target needs, in order."),
        }
    )
    return {"$schema": SCHEMA_ID, "title": "mkbuild plan", **document}


def events_schema() -> Schema:
    """Describe a line of ``--progress=json``."""
    kinds = {name_of(kind): _event(kind) for kind in get_args(Event)}
    return {
        "$schema": SCHEMA_ID,
        "title": "mkbuild event",
        "description": "One line of --progress=json; time is in seconds since 1970.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in kinds],
        "$defs": kinds,
    }


def _event(kind: type) -> Schema:
    hints = get_type_hints(kind)
    properties = {item.name: _of(hints[item.name]) for item in fields(kind)}
    head: dict[str, Schema] = {"event": {"const": name_of(kind)}, "time": _SECONDS}
    return _object(
        {**head, **properties},
        description=" ".join((kind.__doc__ or "").replace("``", "`").split()),
    )


_PLAIN: Mapping[object, Schema] = {
    str: _TEXT,
    bytes: _TEXT,
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
}


def _of(kind: Any) -> Schema:  # noqa: ANN401 -- a type hint
    """Describe a type that fields of events have; raises KeyError for any other."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _of(arguments[0])}
    if origin is dict:
        return _map(_of(arguments[1]))
    return _PLAIN[kind]


SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    "build": build_file_schema,
    "metadata": metadata_schema,
    "plan": plan_schema,
    "events": events_schema,
}
"""By the name that ``mkbuild schema`` and ``schemas/NAME.schema.json`` know them by."""
