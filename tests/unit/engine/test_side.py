"""Sides in records: what is written is read."""

import json

from mkbuild.engine.side import document_of, plain, read_side
from mkbuild.plan.sides import BaseImage, Image, Side, Step


def test_what_is_written_is_read() -> None:
    parts = {"parents": ["s"], "files": ["f", None], "heredocs": [["a", "b"]]}
    step = Step("k", "api", "final", "COPY . /", "D:2:1", parts, frozenset({"V"}), ("app",))
    image = Image("k", "s", {"Env": ["A=1"], "created": None, "layers": [True]})
    side = Side({"k": step}, {"s": BaseImage("x", "d")}, {"api": {"linux/amd64": image}})
    written = {
        "target": "api",
        "stage": "final",
        "instruction": "COPY . /",
        "location": "D:2:1",
        "components": parts,
        "args": ["V"],
        "origins": ["app"],
    }
    document = {"steps": {"k": written}, **document_of(side)}
    assert read_side(json.loads(json.dumps(document))) == side


def test_components_as_json() -> None:
    assert plain({"a": (b"x\xff", None, 1), "b": "c"}) == {"a": ["x\\xff", None, 1], "b": "c"}
