import hashlib
from pathlib import Path

import pytest

from benchmarks.workloads import ALL, FLEET, MAIN, Workload, make_big_base
from mkbuild.dockerfile.parser import parse

SCALE = 0.0005
BASE = "localhost:5/library/debian:x"
SMALL = [workload for workload in ALL if workload.name != "large"]


def digest(directory: Path) -> str:
    found = hashlib.sha256()
    for file in sorted(directory.rglob("*")):
        found.update(str(file.relative_to(directory)).encode())
        found.update(file.read_bytes() if file.is_file() else b"")
    return found.hexdigest()


@pytest.mark.parametrize("workload", SMALL, ids=lambda workload: workload.name)
def test_a_workload_is_the_same_each_time_and_builds_on_the_base(
    workload: Workload, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    workload.make(first, BASE, SCALE)
    workload.make(second, BASE, SCALE)
    assert digest(first) == digest(second)
    images = workload.images(first)
    assert len(images) >= 1
    for image in images:
        dockerfile = parse((first / image / "Dockerfile").read_bytes(), "Dockerfile")
        assert all(BASE in str(stage) for stage in dockerfile.stages)


@pytest.mark.parametrize(
    "workload", [workload for workload in MAIN if workload.edit], ids=lambda w: w.name
)
def test_an_edit_is_new_in_every_round(workload: Workload, tmp_path: Path) -> None:
    workload.make(tmp_path, BASE, 0.1 if workload.name == "fleet" else 0.01)
    assert workload.edit is not None
    found = [digest(tmp_path)]
    before = set(tmp_path.rglob("*"))
    for number in range(3):
        workload.edit(tmp_path, number)
        found.append(digest(tmp_path))
    assert len(set(found)) == 4
    assert set(tmp_path.rglob("*")) == before


def test_sizes() -> None:
    rows = {workload.name: workload for workload in ALL}
    assert len(rows) == len(ALL)
    assert {w.size for w in ALL if w.family == "files"} == {1_000, 10_000, 100_000}
    assert {w.size for w in ALL if w.family == "targets"} == {10, 100, 1_000}
    assert {w.size for w in ALL if w.family == "steps"} == {1, 10, 100}


def test_the_fleet_and_the_base_of_a_gigabyte(tmp_path: Path) -> None:
    (fleet,) = (workload for workload in MAIN if workload.name == "fleet")
    fleet.make(tmp_path / "fleet", BASE, 0.01)
    assert len(fleet.images(tmp_path / "fleet")) == FLEET
    make_big_base(tmp_path / "big", BASE, SCALE)
    assert len(list((tmp_path / "big" / "big" / "tree").rglob("file*"))) == 10
