"""What a command line came to is believed until anything that it rested on has changed."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from mkbuild.context.digests import is_settled
from mkbuild.engine import compiled

BUILD = """\
version: 1
include: ["*/BUILD.yaml"]
variables: {GREETING: {default: hello}}
images:
  app: {context: app, args: {GREETING: "${GREETING}"}}
  tool: {context: tool, secrets: [{id: token, env: TOKEN}]}
"""
DOCKERFILE = "FROM scratch\nARG GREETING\nLABEL greeting=$GREETING\nCOPY . /\n"


def settle(top: Path) -> None:
    """Wait until every change from now on gets another timestamp than the last one."""
    for directory, _, files in os.walk(top):
        for name in (".", *files):
            status = os.lstat(f"{directory}/{name}")
            while not is_settled(status, time.time_ns()):
                time.sleep(0.001)


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "work"
    for name in ("app", "tool"):
        (root / name / "src").mkdir(parents=True)
        (root / name / "Dockerfile").write_text(DOCKERFILE)
        (root / name / "src" / "file").write_text("content")
    (root / "app" / ".dockerignore").write_text("*.log\nkept\n!kept/wanted\n")
    (root / "app" / "kept").mkdir()
    (root / "app" / "some.log").touch()
    (root / "extra").mkdir()
    (root / "extra" / "BUILD.yaml").write_text("version: 1\nimages: {extra: {context: ../tool}}\n")
    (root / "other").mkdir()
    (root / "BUILD.yaml").write_text(BUILD)
    monkeypatch.chdir(root)
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return root


def build(*args: str) -> dict[str, str]:
    """Build, and return the digests as the metadata file has them."""
    place = Path.cwd().parent / "metadata"
    assert main([*args, "--metadata-file", str(place)]) == 0
    document = json.loads(place.read_bytes())
    return {label: part["containerimage.digest"] for label, part in document.items()}


def believed(*args: str) -> bool:
    return compiled.replay(args or ("all",), os.environ) == 0


def keep(workspace: Path) -> None:
    """Build, so that the next build has something to believe in.

    Not a fixture: pytest itself sets a variable that tells the phases of a test apart.
    """
    settle(workspace)
    assert main(["all"]) == 0
    assert believed()


def test_the_second_build_loads_little(workspace: Path) -> None:
    keep(workspace)
    code = (
        "import sys\nbefore = {*sys.modules}\n"
        "from mkbuild.cli.main import main\nassert main(['all']) == 0\n"
        "print(*{*sys.modules} - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    loaded = {name for name in done.stdout.split() if not name.startswith("mkbuild")}
    assert loaded <= {"_blake2", "_operator", "fcntl", "gc", "operator"}
    assert "up to date: 3 images" in done.stderr


def test_after_a_power_cut_what_it_tore_is_made_anew(workspace: Path, tmp_path: Path) -> None:
    first = build("all")
    keep(workspace)
    store = tmp_path / "store"
    torn = max((store / "blobs").glob("sha256/*/*"), key=lambda path: path.stat().st_size)
    torn.write_bytes(b"")
    (boot,) = (store / "unsynced").iterdir()
    boot.rename(boot.with_name("an-earlier-boot"))
    assert not believed()
    assert build("all") == first
    assert torn.stat().st_size
    assert [path.name for path in (store / "quarantine").iterdir()] == [torn.name]


@pytest.mark.parametrize("more", [(), ("-v",)])
def test_plain_lines_are_those_of_a_build(
    workspace: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, more: tuple[str, ...]
) -> None:
    keep(workspace)

    def lines() -> str:
        capfd.readouterr()
        assert main(["all", "--progress=plain", *more]) == 0
        return re.sub(r"[0-9.]+s\b", "TIME", capfd.readouterr().err)

    first = lines()
    assert believed("all", "--progress=plain", *more)
    second = lines()
    shutil.rmtree(tmp_path / "store" / "compiled")
    assert first == second == lines()
    assert "up to date: 3 images" in first


def test_reports_are_those_of_a_build(
    workspace: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    keep(workspace)

    def events() -> list[dict[str, object]]:
        assert main(["all", "--progress=json"]) == 0
        lines = map(json.loads, capfd.readouterr().out.splitlines())
        found = [e for e in lines if e["event"] != "phase-finished"]  # there are none in a replay
        return [{k: v for k, v in e.items() if k not in {"time", "seconds"}} for e in found]

    capfd.readouterr()
    first = events()
    assert believed("all", "--progress=json")
    capfd.readouterr()
    second = events()
    shutil.rmtree(tmp_path / "store" / "compiled")
    assert first == second == events()


@pytest.mark.parametrize("args", [("-B",), ("--no-cache",), ("--pull",), ("--output=o.tar",)])
def test_what_asks_for_more_is_not_kept(workspace: Path, args: tuple[str, ...]) -> None:
    settle(workspace)
    assert main(["app", *args]) == 0
    assert not believed("app", *args)


def test_what_was_changed_just_now_is_not_kept(workspace: Path) -> None:
    settle(workspace)
    ahead = time.time_ns() + 3_600_000_000_000
    os.utime(workspace / "app" / "src" / "file", ns=(ahead, ahead))
    assert main(["all"]) == 0
    assert not believed()


def test_a_first_build_that_ran_is_reported_as_up_to_date(
    workspace: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    keep(workspace)
    capfd.readouterr()
    assert main(["all"]) == 0
    assert "up to date: 3 images, 2 steps cached" in capfd.readouterr().err


def same_size_and_mtime(root: Path) -> None:
    file = root / "app" / "src" / "file"
    before = file.stat()
    file.write_text("tnetnoc")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def symlink_for_a_file(root: Path) -> None:
    (root / "app" / "src" / "file").unlink()
    (root / "app" / "src" / "file").symlink_to("elsewhere")


def hard_link(root: Path) -> None:
    os.link(root / "app" / "src" / "file", root / "app" / "src" / "second")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "app/src/file").write_text("other"),
    "same size and mtime": same_size_and_mtime,
    "mode": lambda root: (root / "app/src/file").chmod(0o700),
    "directory mode": lambda root: (root / "app/src").chmod(0o700),
    "new file": lambda root: (root / "app/src/new").write_text("new"),
    "new directory": lambda root: (root / "app/src/new").mkdir(),
    "deleted": lambda root: (root / "app/src/file").unlink(),
    "renamed": lambda root: (root / "app/src/file").rename(root / "app/src/filf"),
    "symlink": symlink_for_a_file,
    "hard link": hard_link,
    "re-included": lambda root: (root / "app/kept/wanted").write_text("x"),
    "ignore file": lambda root: (root / "app/.dockerignore").write_text("src\n"),
    "own ignore file": lambda root: (root / "tool/Dockerfile.dockerignore").write_text("src\n"),
    "Dockerfile": lambda root: (root / "app/Dockerfile").write_text(DOCKERFILE + "ENV A=1\n"),
    "build file": lambda root: (root / "BUILD.yaml").write_text(
        BUILD.replace("hello", "good morning")
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_seen(workspace: Path, change: str) -> None:
    keep(workspace)
    before = build("all")
    CHANGES[change](workspace)
    settle(workspace)
    assert not believed()
    assert main(["all"]) == 0
    partly_believed = result(workspace)
    assert build("all") != before
    shutil.rmtree(workspace.parent / "store" / "compiled")
    assert main(["all"]) == 0
    assert result(workspace) == partly_believed


def result(workspace: Path) -> tuple[str, ...]:
    """Return the digests that the last ``mkbuild all`` came to."""
    name = compiled.name_of(["all"])
    plan = compiled.read(str(workspace.parent / "store" / "compiled" / str(name)))
    assert plan is not None
    return plan.blobs


def test_contexts_that_stand_are_not_walked(workspace: Path) -> None:
    keep(workspace)
    (workspace / "tool" / "src" / "file").write_text("changed")
    settle(workspace)
    # What was learned of this file's contents is lost: whoever walks the context reads it again.
    with sqlite3.connect(workspace.parent / "store" / "digests.sqlite") as database:
        database.execute("DELETE FROM files_v2")
    assert main(["all"]) == 0
    with sqlite3.connect(workspace.parent / "store" / "digests.sqlite") as database:
        inodes = {inode for (inode,) in database.execute("SELECT inode FROM files_v2")}
    assert (workspace / "tool" / "src" / "file").stat().st_ino in inodes
    assert (workspace / "app" / "src" / "file").stat().st_ino not in inodes
    assert believed()


def test_build_files_that_stand_are_not_read(workspace: Path) -> None:
    keep(workspace)
    (workspace / "tool" / "src" / "file").write_text("changed")
    code = (
        "import sys\nfrom mkbuild.cli.main import main\nassert main(['all']) == 0\n"
        "print(*{'pydantic', 'mkbuild.buildfile.load'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""
    assert "1 step ran" in done.stderr
    settle(workspace)
    assert main(["all"]) == 0
    assert believed()
    # What was not read this time is looked at all the same the next time.
    (workspace / "extra" / "BUILD.yaml").write_text("version: 1\n")
    settle(workspace)
    assert not believed()


def test_what_a_changed_program_pickled_is_read_again(workspace: Path, tmp_path: Path) -> None:
    keep(workspace)
    (path,) = (tmp_path / "store" / "compiled").iterdir()
    plan = compiled.read(str(path))
    assert plan is not None
    plan.loaded = b"cmkbuild.buildfile.target\nNoMore\n."
    compiled.write(plan, str(path))
    (workspace / "tool" / "src" / "file").write_text("changed")
    assert main(["all"]) == 0


@pytest.mark.root
def test_somebody_elses_plan_is_not_believed(workspace: Path, tmp_path: Path) -> None:
    keep(workspace)
    (plan,) = (tmp_path / "store" / "compiled").iterdir()
    os.chown(plan, 12345, -1)
    assert not believed()
    assert main(["all"]) == 0


def test_a_new_build_file_is_seen(workspace: Path) -> None:
    keep(workspace)
    (workspace / "other" / "BUILD.yaml").write_text("version: 1\nimages: {o: {context: ../app}}\n")
    assert not believed()
    assert set(build("all")) == {"app", "tool", "//extra:extra", "//other:o"}


def test_a_build_file_above_is_seen(workspace: Path) -> None:
    keep(workspace)
    (workspace.parent / "BUILD.yaml").write_text("version: 1\ninclude: [work/BUILD.yaml]\n")
    assert not believed()


def test_a_touched_dockerfile_is_looked_at_again(workspace: Path) -> None:
    keep(workspace)
    before = build("all")
    (workspace / "app" / "Dockerfile").touch()
    assert not believed()
    assert build("all") == before


def test_another_context_behind_a_symlink(workspace: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
        (tmp_path / name / "Dockerfile").write_text(DOCKERFILE)
    (workspace / "link").symlink_to(tmp_path / "one")
    (workspace / "BUILD.yaml").write_text("version: 1\nimages: {linked: {context: link}}\n")
    settle(tmp_path)
    assert main(["linked"]) == 0
    assert believed("linked")
    (workspace / "link").unlink()
    (workspace / "link").symlink_to(tmp_path / "two")
    assert not believed("linked")


def test_variables(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(workspace)
    before = build("all")
    monkeypatch.setenv("GREETING", "good morning")
    assert not believed()
    assert build("all") != before


def test_of_a_secret_only_its_presence_matters(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settle(workspace)
    monkeypatch.setenv("TOKEN", "s3cr3t")
    assert main(["all"]) == 0
    monkeypatch.setenv("TOKEN", "0th3r")
    assert believed()
    monkeypatch.delenv("TOKEN")
    assert not believed()
    plans = (tmp_path / "store" / "compiled").iterdir()
    assert not any(b"s3cr3t" in plan.read_bytes() for plan in plans)


@pytest.mark.parametrize("given", [("--storage", "../own"), ("--storage=../own",)])
def test_a_storage_may_be_relative(
    workspace: Path, given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(workspace)
    assert main(["all", *given]) == 0
    assert believed("all", *given)
    monkeypatch.setenv("MKBUILD_STORAGE", "../own")
    assert main(["all"]) == 0
    assert believed("all")
    monkeypatch.chdir(workspace / "extra")
    assert not believed("all", *given)


def test_a_directory_has_plans_of_its_own(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(workspace)
    monkeypatch.chdir(workspace / "app")
    assert not believed()


def test_blobs_that_are_gone(workspace: Path, tmp_path: Path) -> None:
    keep(workspace)
    before = build("all")
    for blob in (tmp_path / "store" / "blobs" / "sha256").glob("??/*"):
        blob.unlink()
    assert not believed()
    assert build("all") == before


def test_a_damaged_plan(workspace: Path, tmp_path: Path) -> None:
    keep(workspace)
    (plan,) = (tmp_path / "store" / "compiled").iterdir()
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 1
    plan.write_bytes(data)
    assert not believed()
    plan.write_bytes(b"")
    assert not believed()
    assert main(["all"]) == 0


def test_git_facts(workspace: Path) -> None:
    def git(*args: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", *identity, *args], check=True, capture_output=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    text = "version: 1\nimages: {app: {context: app, labels: {revision: '${git.sha}'}}}\n"
    (workspace / "BUILD.yaml").write_text(text)
    settle(workspace)
    before = build("app")
    assert main(["app"]) == 0
    assert believed("app")
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert not believed("app")
    assert build("app") != before
