"""Schemas of what mkbuild writes; real documents are held against them in test_reports.py."""

import json
from pathlib import Path

import jsonschema
import pytest

from mkbuild.cli.main import main
from mkbuild.engine.schemas import SCHEMAS
from mkbuild.events import Event, LayerFinished, PhaseFinished, StepFinished
from mkbuild.progress.jsonlines import encode
from tests.support import builds

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_one_and_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name]())
    assert main(["schema", name]) == 0
    printed = capsys.readouterr().out
    assert printed == (ROOT / "schemas" / f"{name}.schema.json").read_text()


def test_without_a_name_it_is_that_of_build_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == SCHEMAS["build"]()


def test_every_event_fits(tmp_path: Path) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS["events"]())
    more: list[Event] = [LayerFinished("s", "t", "d", 1, 0.5), PhaseFinished("plan", 0.1)]
    events = [*builds.good(), *builds.bad(tmp_path / "Dockerfile"), *more]
    kinds = {type(event) for event in events}
    assert len(kinds) == len(SCHEMAS["events"]()["$defs"])
    for event in events:
        validator.validate(json.loads(json.dumps(encode(event) | {"time": 1.5})))


def test_the_documentation_names_everything() -> None:
    text = (ROOT / "docs" / "reports.md").read_text()
    target = SCHEMAS["metadata"]()["additionalProperties"]["properties"]
    step = target["steps"]["items"]["properties"]
    for name in (*target, *step):
        assert f'"{name}"' in text, name
    for name in SCHEMAS["events"]()["$defs"]:
        assert f"`{name}`" in text, name


def test_what_no_event_is_does_not_fit() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMAS["events"]())
    good = encode(StepFinished("s", "t", "", "RUN", "f:1", "ran", 1.0)) | {"time": 1.5}
    validator.validate(good)
    for change in ({"status": "maybe"}, {"event": "step"}, {"seconds": "1"}, {"other": 1}):
        assert not validator.is_valid(good | change)
    assert not validator.is_valid({k: v for k, v in good.items() if k != "key"})
