"""1,000 images in 100 build files: every verb that one uses on them answers, and answers right."""

import json
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, ran, registries
from tests.support.fleet import PER_FILE, Fleet, make_fleet

pytestmark = pytest.mark.root
IMAGES = 1000


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return make_fleet(tmp_path_factory.mktemp("fleet") / "work", IMAGES)


def ask(fleet: Fleet, *args: str) -> list[str]:
    done = Mkbuild(fleet.directory, fleet.directory.parent / "none").run(*args)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_seed_makes_one_workspace(tmp_path: Path) -> None:
    one, two, other = (
        make_fleet(tmp_path / name, 20, seed) for name, seed in [("1", 7), ("2", 7), ("3", 8)]
    )
    texts = [
        {p.relative_to(f.directory): p.read_text() for p in f.directory.rglob("*") if p.is_file()}
        for f in (one, two, other)
    ]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_lists_are_sorted_and_filtered(fleet: Fleet) -> None:
    assert len(fleet.labels) == IMAGES + 1
    assert [line.split()[0] for line in ask(fleet, "list")] == fleet.labels
    assert len(ask(fleet, "list", "@libraries")) == IMAGES // PER_FILE
    (team,) = {line.rpartition(":")[0] for line in ask(fleet, "query", "//teams/t042/...")}
    assert team == "//teams/t042"
    assert len(ask(fleet, "list", "//teams/t042/...", "!lib042")) == PER_FILE - 1


def test_queries_know_every_edge(fleet: Fleet) -> None:
    library = "//teams/t042:lib042"
    assert set(ask(fleet, "query", f"rdeps({library})")) == fleet.dependents(library)
    assert set(ask(fleet, "query", "rdeps(base)")) == set(fleet.labels)
    edges = json.loads("\n".join(ask(fleet, "graph", "--format", "json")))["edges"]
    found: dict[str, set[str]] = {label: set() for label in fleet.labels}
    for edge in edges:
        found[edge["source"]].add(edge["target"])
    assert found == fleet.needs


@pytest.mark.parametrize("images", [200, pytest.param(IMAGES, marks=pytest.mark.full)])
def test_a_plan_a_build_a_no_op_and_a_change(tmp_path: Path, images: int) -> None:
    fleet = make_fleet(tmp_path / "work", images)
    mkbuild = Mkbuild(fleet.directory, tmp_path / "store", registries(tmp_path))
    before = json.loads(mkbuild.run("plan", "--json").stdout)["targets"]
    assert before.keys() == set(fleet.labels)
    assert {step["status"] for steps in before.values() for step in steps} == {"miss"}
    built = mkbuild.build("all")
    assert built.keys() == set(fleet.labels)
    done = mkbuild.run("build", "all")
    assert done.stderr.startswith(f"up to date: {images + 1} images, ")
    assert len(done.stderr.splitlines()) == 1
    library = "//teams/t012:lib012"
    (fleet.directory / "teams/t012/lib012/src/0.txt").write_text("changed\n")
    plan = json.loads(mkbuild.run("plan", "--json").stdout)["targets"]
    missed = {label for label, steps in plan.items() if any(s["status"] == "miss" for s in steps)}
    again = mkbuild.build("all")
    affected = fleet.dependents(library)
    assert affected < set(fleet.labels)
    assert missed == set(ran(again)) == affected
    assert {label for label in built if built[label] != again[label]} >= affected
