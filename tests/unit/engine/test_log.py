"""The log: names, order, runs that did nothing, what is forgotten."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from mkbuild.engine import compiled
from mkbuild.engine.log import KEPT, VERSION, Log, name_of
from mkbuild.errors import UsageError


def document(**members: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("started", "error", "place", "directory"), "")
    mappings: dict[str, Any] = {
        name: {} for name in ("git", "targets", "order", "steps", "bases", "images")
    }
    names = ("arguments", "wanted", "layers", "transfers", "phases", "published")
    lists: dict[str, Any] = {name: [] for name in names}
    own = {"version": VERSION, "seconds": 1.5, "ok": True, "workspace": "/w"}
    return {**own, **texts, **mappings, **lists, **members}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """Three runs, and two after the first that did nothing."""
    log = Log(tmp_path)
    for started, process in ((1_700_000_000.25, 7), (1_700_000_100.0, 8), (1_700_000_200.0, 9)):
        log.write(name_of(started, process), document(number=process))
    lines = "1700000050.000 70 0.030\n1700000150.500 71 0.040\n"
    (tmp_path / "runs" / "20231114T221320.250-7.again").write_text(lines)
    return log


def test_runs_come_newest_first_with_those_that_did_nothing(log: Log) -> None:
    found = [
        (run.name, run.seconds, run.record.document["number"], run.again) for run in log.runs()
    ]
    assert found == [
        ("20231114T221640.000-9", 1.5, 9, False),
        ("20231114T221550.500-71", 0.04, 7, True),
        ("20231114T221500.000-8", 1.5, 8, False),
        ("20231114T221410.000-70", 0.03, 7, True),
        ("20231114T221320.250-7", 1.5, 7, False),
    ]
    assert [record.document["number"] for record in log.latest()] == [9, 8, 7]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("latest", "20231114T221640.000-9"),
        ("latest~1", "20231114T221550.500-71"),
        ("latest~4", "20231114T221320.250-7"),
        ("20231114T221500.000-8", "20231114T221500.000-8"),
        ("20231114T221550.5", "20231114T221550.500-71"),
        ("20231114T22150", "20231114T221500.000-8"),
    ],
)
def test_a_run_is_found(log: Log, text: str, name: str) -> None:
    assert log.find(text).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latest~5", "not so many runs"),
        ("latest~99999999999999999999", "not so many runs"),
        ("latest~x", "no such run"),
        ("2024", "no such run"),
        ("2023", "5 runs begin so"),
        ("", "5 runs begin so"),
    ],
)
def test_a_run_that_is_not_there(log: Log, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        log.find(text)


def test_latest_is_of_a_place(log: Log) -> None:
    log.write("20231114T221700.000-10", document(workspace="/w/lone"))
    log.write("20231114T221701.000-11", document(workspace="/work"))
    assert log.find("latest").name == "20231114T221701.000-11"
    assert log.find("latest", "/w").name == "20231114T221700.000-10"
    assert log.find("latest~1", "/w").name == "20231114T221640.000-9"
    assert log.find("20231114T221701", "/w").name == "20231114T221701.000-11"
    assert [run.name for run in log.runs(place="/work")] == ["20231114T221701.000-11"]
    assert len(list(log.runs(place="/"))) == 7
    with pytest.raises(UsageError, match="not so many runs"):
        log.find("latest", "/elsewhere")


def test_an_exact_name_wins_over_longer_ones(log: Log) -> None:
    log.write("20231114T221320.250-77", document())
    assert log.find("20231114T221320.250-7").name == "20231114T221320.250-7"
    assert log.find("20231114T221320.250-77").name == "20231114T221320.250-77"


def test_the_oldest_are_forgotten_with_what_lies_beside_them(log: Log, tmp_path: Path) -> None:
    for number in range(KEPT):
        log.write(name_of(1_800_000_000.0 + number, 1), document())
    names = log.names()
    assert len(names) == KEPT
    assert names[0] == name_of(1_800_000_000.0, 1)
    assert list((tmp_path / "runs").glob("*.again")) == []


def test_large_records_are_forgotten_sooner(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(json.dumps(document(more="x" * 10_000)))
    monkeypatch.setattr("mkbuild.engine.log.KEPT_BYTES", 3 * size + 100)
    for number in range(5):
        log.write(name_of(1_800_000_000.0 + number, 1), document(more="x" * 10_000))
    assert log.names() == [name_of(1_800_000_000.0 + number, 1) for number in (2, 3, 4)]
    monkeypatch.setattr("mkbuild.engine.log.KEPT_BYTES", 10)
    log.write(name_of(1_800_000_005.0, 1), document())
    assert log.names() == [name_of(1_800_000_005.0, 1)]


def test_what_cannot_be_read_is_left_out(log: Log, tmp_path: Path) -> None:
    (tmp_path / "runs" / "20240101T000000.000-1.json").write_text("{")
    log.write("20240101T000001.000-1", document(version=VERSION - 1))
    assert log.find("latest").name == "20231114T221640.000-9"


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[]",
        "5",
        json.dumps({"version": VERSION}),
        *(
            json.dumps(document(**members))
            for members in (
                {"steps": 5},
                {"steps": {"x": {"target": "x"}}},
                {"seconds": "x"},
                {"wanted": 5},
                {"order": {"x": [5]}},
                {"images": {"x": {"linux/amd64": None}}},
                {"phases": [{"name": "run", "begin": "now", "seconds": 1}]},
            )
        ),
    ],
)
def test_a_record_that_was_edited_to_something_else_is_left_out(
    log: Log, tmp_path: Path, text: str
) -> None:
    (tmp_path / "runs" / "20240101T000000.000-1.json").write_text(text)
    assert log.find("latest").name == "20231114T221640.000-9"
    assert log.built(["x"], "/w") == {}


def test_a_compiled_plan_adds_its_line(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "20231114T221640.000-9.again"
    compiled._log(str(path), 1_700_000_300.125, 0.0301)
    compiled._log(str(path), 1_700_000_301.0, 0.03)
    runs = [run for run in log.runs() if run.again][:2]
    assert [run.name for run in runs] == [
        f"20231114T221821.000-{os.getpid()}",
        f"20231114T221820.125-{os.getpid()}",
    ]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_was_cut_is_left_out(log: Log, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "20231114T221640.000-9.again"
    path.write_text("1700000300.125 7 0.030\n17000003")
    compiled._log(str(path), 1_700_000_301.0, 0.03)
    assert "20231114T221820.125-7" in {run.name for run in log.runs()}


def test_what_a_killed_process_left_is_removed(log: Log, tmp_path: Path) -> None:
    old, young = (tmp_path / "runs" / f".{name}.partial" for name in ("old", "young"))
    for path in (old, young):
        path.write_text("{")
    os.utime(old, (1, 1))
    log.write(name_of(1_800_000_000.0, 1), document())
    assert not old.exists()
    assert young.exists()


def test_lines_end_somewhere(tmp_path: Path) -> None:
    path = tmp_path / "record.again"
    path.write_bytes(b"x" * compiled._LOG_SIZE)
    compiled._log(str(path), 1.0, 1.0)
    assert path.stat().st_size == compiled._LOG_SIZE
    compiled._log(str(tmp_path / "nowhere" / "record.again"), 1.0, 1.0)


def test_the_last_record_of_each_target_of_a_workspace(tmp_path: Path) -> None:
    log = Log(tmp_path)
    for name, built, workspace in (
        ("a", ["api", "base"], "/w"),
        ("b", ["api"], "/w"),
        ("c", ["api"], "/other"),
    ):
        log.write(name, document(workspace=workspace, targets={label: {} for label in built}))
    records = log.built(("api", "base", "unknown"), "/w")
    assert {label: record.name for label, record in records.items()} == {"api": "b", "base": "a"}
