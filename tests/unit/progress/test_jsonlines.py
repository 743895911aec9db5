"""Events as JSON."""

import io
import json

from mkbuild.events import StepOutput
from mkbuild.progress.jsonlines import JsonReporter, encode
from tests.support import builds


def test_one_object_a_line() -> None:
    stream = io.StringIO()
    reporter = JsonReporter(stream, lambda: 12.5)
    for event in builds.good():
        reporter.emit(event)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(records) == len(builds.good())
    assert records[0] == {
        "event": "run-started",
        "targets": ["base", "api"],
        "steps": 3,
        "jobs": 2,
        "time": 12.5,
    }
    assert records[1] == {
        "event": "step-finished",
        "step": "s1",
        "target": "base",
        "stage": "",
        "instruction": "COPY . /",
        "location": "base/Dockerfile:2",
        "status": "hit-local",
        "seconds": 0.0,
        "key": "sha256:k1",
        "error": "",
        "source": "",
        "time": 12.5,
    }


def test_bytes_that_are_no_text() -> None:
    assert encode(StepOutput("s", 1, b"a\xffb"))["data"] == "a\\xffb"
