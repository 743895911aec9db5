"""Chrome traces."""

import itertools
import json
from typing import Any

from mkbuild.progress.trace import chrome_trace
from tests.support import runs


def check(trace: dict[str, Any]) -> None:
    """Hold a trace against the Trace Event Format: what each kind of event needs, and nesting."""
    lanes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        match event["ph"]:
            case "X":
                assert isinstance(event["ts"], int)
                assert isinstance(event["dur"], int)
                assert event["ts"] >= 0
                assert event["dur"] >= 0
                lane = lanes.setdefault((event["pid"], event["tid"]), [])
                lane.append((event["ts"], event["ts"] + event["dur"]))
            case "i":
                assert event["s"] in {"g", "p", "t"}
                assert isinstance(event["ts"], int)
            case "M":
                assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}
            case other:
                raise AssertionError(other)
    for spans in lanes.values():
        spans.sort()
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))


def by_name(trace: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {event["name"]: event for event in trace["traceEvents"] if event["ph"] != "M"}


def test_a_run() -> None:
    trace = chrome_trace(runs.document())
    check(json.loads(json.dumps(trace)))
    events = by_name(trace)
    first, second = events["api RUN make \\ all"], events["api RUN a | b < c"]
    assert (first["ts"], first["dur"]) == (1_000_000, 2_000_000)
    assert first["tid"] != second["tid"]
    assert first["args"] == {
        "key": "k1",
        "target": "api",
        "stage": "stage-0",
        "location": "api/Dockerfile:3:1",
        "status": "ran",
        "critical": False,
    }
    assert second["args"]["critical"]
    hit = events["base WORKDIR /src"]
    assert hit["ph"] == "i"
    assert hit["args"]["source"] == "redis cache:6379"
    assert events["write layer 0123456789ab"]["args"]["size"] == 9
    assert events["push 0123456789ab"]["pid"] != first["pid"]
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert names == ["phases", "cached", "slot 1", "slot 2", "connection 1"]
    assert trace["otherData"]["ok"]


def test_a_run_that_failed() -> None:
    trace = chrome_trace(runs.document(ok=False))
    check(trace)
    assert by_name(trace)["api COPY --from=x a /"]["args"]["status"] == "failed"
    assert not trace["otherData"]["ok"]


def test_a_run_that_came_to_nothing() -> None:
    nothing = runs.document() | {"steps": {}, "order": {}, "layers": [], "transfers": []}
    trace = chrome_trace(nothing)
    check(trace)
    assert by_name(trace).keys() == {"load", "run", "publish"}
