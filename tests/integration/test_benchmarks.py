"""The harness runs: small sizes, nothing timed is asserted."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.results import load, newest

ROOT = Path(__file__).parents[2]


def harness(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.root
@pytest.mark.registry
def test_a_small_workload_beside_buildah(tmp_path: Path) -> None:
    place, output = tmp_path / "place", tmp_path / "results"
    place.mkdir()
    arguments = ["run", "fresh", "--peers", "buildah", "--rounds", "1"]
    arguments += ["--scale", "0.01", "--disk", "2", "--place", str(place), "--output", str(output)]
    done = harness(*arguments)
    assert done.returncode == 0, done.stderr
    assert list(place.iterdir()) == []
    assert str(place) not in Path("/proc/mounts").read_text()

    file = newest(output)
    assert file is not None
    results = load(file)
    ((name, row),) = results.rows.items()
    assert name == "fresh: code changed"
    assert row.failures == {}
    assert row.differences == {"buildah": ""}
    assert row.floors["packed"] > 0
    for tool in ("mkbuild", "buildah"):
        (sample,) = row.samples[tool]
        assert sample.seconds > 0
        assert sample.memory > 1 << 20
        assert sample.facts["moved"] >= sample.facts["last"] > 100_000

    page = tmp_path / "performance.md"
    done = harness("report", str(file), "--page", str(page))
    assert done.returncode == 0, done.stderr
    assert "| fresh: code changed | **" in page.read_text()

    again = harness(*arguments, "--resume")
    assert again.returncode == 0, again.stderr
    assert "==" not in again.stderr


@pytest.mark.root
def test_a_peer_that_is_not_there(tmp_path: Path) -> None:
    done = harness("run", "runs", "--peers", "docker", "--disk", "1", "--place", str(tmp_path))
    assert done.returncode == 2
    assert "not on this machine: docker" in done.stderr


def test_the_list_of_workloads() -> None:
    done = harness("list")
    assert "manyfiles              COPY of 20,000 files, 100 MB" in done.stdout.splitlines()
