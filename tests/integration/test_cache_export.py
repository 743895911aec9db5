"""``mkbuild cache export`` and ``import``: what CI carries from one fresh machine to the next."""

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from tests.support.command import ROOT, Mkbuild, digests, ran, registries
from tests.support.computer import write
from tests.support.users import become, own

pytestmark = pytest.mark.root

TWO_STAGES = """\
FROM busybox AS build
WORKDIR /src
RUN echo slow > /dependencies
COPY code .
RUN cat /dependencies code > /made
FROM busybox
COPY --from=build /made /made
"""


def machine(tmp_path: Path, name: str, directory: Path) -> Mkbuild:
    return Mkbuild(directory, tmp_path / name, registries(tmp_path))


def carry(tmp_path: Path, source: Mkbuild, place: str, *selection: str) -> tuple[str, str]:
    """Export from a machine, and import on a fresh one; returns what both said."""
    exported = source.run("cache", "export", str(tmp_path / place), *selection)
    assert exported.returncode == 0, exported.stderr
    fresh = Mkbuild(source.directory, tmp_path / "fresh")
    imported = fresh.run("cache", "import", str(tmp_path / place))
    assert imported.returncode == 0, imported.stderr
    return exported.stdout, imported.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mkbuild, dict[str, str]]:
    place = tmp_path_factory.mktemp("built")
    shutil.copytree(ROOT / "examples" / "monorepo", place / "monorepo")
    source = machine(place, "store", place / "monorepo")
    return source, digests(source.build("all"))


@pytest.mark.parametrize("place", ["cache.tar", "cache"])
def test_a_fresh_machine_builds_the_monorepo_without_a_step(
    tmp_path: Path, built: tuple[Mkbuild, dict[str, str]], place: str
) -> None:
    source, expected = built
    if place == "cache":
        (tmp_path / place).mkdir()
    exported, imported = carry(tmp_path, source, place)
    # Results by two keys, layers of every stage, and the TOCs of two bases.
    assert exported.split(": ")[1].startswith("57 entries, 18 blobs, ")
    assert imported.split(": ")[1].startswith("57 new entries (0 known), 18 new blobs, ")
    fresh = machine(tmp_path, "fresh", source.directory)
    plan = json.loads(fresh.run("plan", "all", "--json").stdout)
    steps = [step for target in plan["targets"].values() for step in target]
    assert {step["status"] for step in steps} == {"hit-local"}
    metadata = fresh.build("all", "--expect-cached")
    assert digests(metadata) == expected
    assert ran(metadata) == {}


def test_twice_changes_nothing_and_equal_exports_are_equal(
    tmp_path: Path, built: tuple[Mkbuild, dict[str, str]]
) -> None:
    source, _ = built
    carry(tmp_path, source, "one.tar")
    _, again = carry(tmp_path, source, "two.tar")
    assert again.endswith(": 0 new entries (57 known), 0 new blobs, 0 B\n")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert not list(tmp_path.glob(".*.partial"))


def test_a_selection_takes_what_it_needs_alone(
    tmp_path: Path, built: tuple[Mkbuild, dict[str, str]]
) -> None:
    source, expected = built
    carry(tmp_path, source, "tool.tar", "tool")
    fresh = machine(tmp_path, "fresh", source.directory)
    plan = json.loads(fresh.run("plan", "all", "--json").stdout)["targets"]
    assert {step["status"] for step in plan["tool"]} == {"hit-local"}
    assert {step["status"] for step in plan["base"]} == {"miss"}
    assert digests(fresh.build("tool", "--expect-cached")) == {"tool": expected["tool"]}


def test_a_fresh_machine_goes_on_in_the_middle_of_a_stage_that_becomes_no_image(
    tmp_path: Path,
) -> None:
    files = {
        "BUILD.yaml": "version: 1\nimages: {app: {context: .}}\n",
        "Dockerfile": TWO_STAGES,
        "code": "one",
    }
    directory = write(tmp_path / "work", files)
    source = machine(tmp_path, "store", directory)
    source.build("all")
    carry(tmp_path, source, "cache.tar")
    (directory / "code").write_text("two")
    fresh = machine(tmp_path, "fresh", directory)
    assert ran(fresh.build("all")) == {
        "app": [
            "COPY code .",
            "RUN cat /dependencies code > /made",
            "COPY --from=build /made /made",
        ]
    }


def test_what_is_not_built_yet_is_said(tmp_path: Path) -> None:
    directory = write(
        tmp_path / "work",
        {"BUILD.yaml": "version: 1\nimages: {app: {context: .}}\n", "Dockerfile": TWO_STAGES},
    )
    (directory / "code").write_text("one")
    done = machine(tmp_path, "store", directory).run("cache", "export", str(tmp_path / "c.tar"))
    assert done.returncode == 0
    assert done.stdout.endswith(": 0 entries, 0 blobs, 0 B\n")
    assert "warning: 5 steps without a result: build first" in done.stderr


def test_signed_entries_need_the_key(tmp_path: Path) -> None:
    directory = write(
        tmp_path / "work",
        {"BUILD.yaml": "version: 1\nimages: {app: {context: .}}\n", "Dockerfile": TWO_STAGES},
    )
    (directory / "code").write_text("one")
    source = machine(tmp_path, "store", directory)
    source.environment = {"KEY": "0123456789abcdef", "OTHER": "fedcba9876543210"}
    source.build("all")
    file = str(tmp_path / "cache.tar")
    assert source.run("cache", "export", file, "--signing-key-env", "KEY").returncode == 0
    fresh = Mkbuild(directory, tmp_path / "fresh", environment=source.environment)
    for given in ([], ["--signing-key-env", "OTHER"]):
        done = fresh.run("cache", "import", file, *given)
        assert ": 0 new entries (0 known), 0 new blobs" in done.stdout
        assert "did not count" in done.stderr
    done = fresh.run("cache", "import", file, "--signing-key-env", "NONE")
    assert done.returncode == 2
    assert "variable is not set" in done.stderr
    done = fresh.run("cache", "import", file, "--signing-key-env", "KEY")
    assert done.returncode == 0
    assert not done.stderr
    again = machine(tmp_path, "fresh", directory)
    assert ran(again.build("all")) == {}


@pytest.mark.userns
def test_results_of_a_single_user_id_do_not_leave(tmp_path: Path) -> None:
    directory = write(
        tmp_path / "work",
        {
            "BUILD.yaml": "version: 1\nimages: {app: {context: .}}\n",
            "Dockerfile": "FROM busybox\nRUN echo a > /a && chown 5:5 /a\nRUN echo b > /b\n",
        },
    )
    (tmp_path / "account").mkdir()
    source = Mkbuild(directory, tmp_path / "store", registries(tmp_path, copied=True))
    source.prefix = become(tmp_path / "account", ranges=False)
    own(tmp_path)
    source.build("all")
    done = source.run("cache", "export", str(tmp_path / "cache.tar"))
    assert done.returncode == 0, done.stderr
    fresh = Mkbuild(directory, tmp_path / "fresh")
    assert fresh.run("cache", "import", str(tmp_path / "cache.tar")).returncode == 0
    fresh.registries = source.registries
    plan = json.loads(fresh.run("plan", "all", "--json").stdout)["targets"]["app"]
    assert plan[0]["status"] == "miss"
    with tarfile.open(tmp_path / "cache.tar") as tar:
        layers = [name for name in tar.getnames() if name.startswith("ac/layer-")]
    assert len(layers) == 1  # of the step after it


def test_what_is_no_bundle_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a tar")
    with tarfile.open(tmp_path / "escape.tar", "w") as tar:
        tar.add(tmp_path / "text", "../../escaped")
    with tarfile.open(tmp_path / "link.tar", "w") as tar:
        (tmp_path / "link").symlink_to("/etc")
        tar.add(tmp_path / "link", "cas/link")
    mkbuild = Mkbuild(tmp_path, tmp_path / "store")
    for name, status in {"text": 1, "escape.tar": 1, "link.tar": 1, "missing": 2}.items():
        done = mkbuild.run("cache", "import", name)
        assert done.returncode == status
        assert name in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path.parent / "escaped").exists()
