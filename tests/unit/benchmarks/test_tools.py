import json
import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.boxed import Kaniko, Makisu
from benchmarks.buildkit import BuildKit, find_programs
from benchmarks.measure import CommandError, run
from benchmarks.tools import Buildah, Job, Mkbuild, each_line, unmount_below, write, write_lines
from mkbuild.filesystem.diff import identity

PROGRAM = Path("/opt/program")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    for name in ("one", "two"):
        (tmp_path / "workspace" / name).mkdir(parents=True)
    return Job(tmp_path / "workspace", ("one", "two"), "localhost:5", "tool/w/round0")


def lines(file: Path) -> list[list[str]]:
    return [shlex.split(line) for line in file.read_text().splitlines()]


def test_mkbuild_gets_a_build_file_that_stays_as_it_is(job: Job, tmp_path: Path) -> None:
    tool = Mkbuild(tmp_path / "tool", PROGRAM)
    tool.reset()
    tool.prepare(replace(job, cache="cache"))
    file = job.workspace / "BUILD.mkbuild.yaml"
    before = identity(file.stat())
    tool.prepare(replace(job, cache="cache"))
    assert identity(file.stat()) == before  # it is read: its atime may be another
    text = file.read_text()
    assert "  one: {context: one, tags: ['localhost:5/tool/w/round0/one:latest']}" in text
    assert "cache: {remotes: [{type: registry, ref: 'localhost:5/cache'}]}" in text
    tool.prepare(job)
    assert "cache" not in file.read_text()


def test_two_mkbuilds_leave_each_others_build_file_alone(job: Job, tmp_path: Path) -> None:
    tool, other = Mkbuild(tmp_path / "a", PROGRAM), Mkbuild(tmp_path / "b", PROGRAM, "other")
    tool.prepare(job)
    before = (job.workspace / "BUILD.mkbuild.yaml").stat()
    other.prepare(replace(job, repositories="other/w/round0"))
    assert (job.workspace / "BUILD.mkbuild.yaml").stat() == before
    assert "-f BUILD.other.yaml" in " ".join(other.command(job).argv)


def test_mkbuilds_command(job: Job, tmp_path: Path) -> None:
    tool = Mkbuild(tmp_path / "tool", PROGRAM)
    start = [str(PROGRAM), "build", "-f", "BUILD.mkbuild.yaml"]
    start += ["--storage", str(tmp_path / "tool" / "store")]
    assert tool.command(job).argv == [*start, "--push"]
    assert tool.command(replace(job, push=False)).argv == start
    small = replace(job, push=False, compression="size")
    assert tool.command(small).argv == [*start, "--compression=size"]


def test_resetting_forgets_the_store(tmp_path: Path) -> None:
    tool = Mkbuild(tmp_path / "tool", PROGRAM)
    (tmp_path / "tool" / "store" / "blobs").mkdir(parents=True)
    tool.reset()
    assert not (tmp_path / "tool" / "store").exists()


def test_buildah_builds_then_pushes(job: Job, tmp_path: Path) -> None:
    tool = Buildah(tmp_path / "tool")
    tool.reset()
    tool.prepare(job)
    first, _ = lines(tmp_path / "tool" / "commands")
    build, push = first[: first.index("&&")], first[first.index("&&") + 1 :]
    name = "localhost:5/tool/w/round0/one:latest"
    assert build[0] == push[0] == "buildah"
    assert "bud" in build
    assert build[-3:] == ["-t", name, str(job.workspace / "one")]
    assert push[-1] == name
    tool.prepare(replace(job, push=False))
    assert not any("push" in line for line in lines(tmp_path / "tool" / "commands"))


def test_podman_builds_likewise(job: Job, tmp_path: Path) -> None:
    tool = Buildah(tmp_path / "tool", "podman")
    tool.reset()
    tool.prepare(job)
    first, _ = lines(tmp_path / "tool" / "commands")
    assert first[0] == "podman"
    assert "build" in first


def test_buildkit_bakes_a_fleet_where_buildx_is(job: Job, tmp_path: Path) -> None:
    place = tmp_path / "tool"
    place.mkdir()
    tool = BuildKit(place, Path("/opt"), Path("/opt/buildx"))
    tool.prepare(job)
    document = json.loads((place / "bake.json").read_text())
    assert document["group"]["default"]["targets"] == ["one", "two"]
    assert document["target"]["two"] == {
        "context": str(job.workspace / "two"),
        "tags": ["localhost:5/tool/w/round0/two:latest"],
        "output": ["type=image,push=true,registry.insecure=true"],
    }
    assert tool.command(job).argv[:2] == ["/opt/buildx", "bake"]


def test_buildkit_builds_single_images_with_buildctl(job: Job, tmp_path: Path) -> None:
    place = tmp_path / "tool"
    place.mkdir()
    tool = BuildKit(place, Path("/opt"), Path("/opt/buildx"))
    tool.prepare(replace(job, images=("one",), cache="cache"))
    ((program, *arguments),) = lines(place / "commands")
    assert program == "/opt/buildctl"
    assert f"context={job.workspace / 'one'}" in arguments
    cache = "type=registry,ref=localhost:5/cache,registry.insecure=true"
    assert arguments[-4:] == ["--import-cache", cache, "--export-cache", f"{cache},mode=max"]


def test_buildkits_programs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("buildkitd", "buildctl"):
        (tmp_path / name).touch()
    assert find_programs(tmp_path) == find_programs(tmp_path / "buildkitd") == tmp_path
    assert find_programs(tmp_path / "deeper") == tmp_path
    monkeypatch.setenv("PATH", f"/nowhere:{tmp_path}")
    assert find_programs(None) == tmp_path
    monkeypatch.setenv("PATH", "/nowhere")
    assert find_programs(None) is None


def test_kaniko_runs_in_a_box(job: Job, tmp_path: Path) -> None:
    program = tmp_path / "executor"
    program.write_text("binary")
    tool = Kaniko(tmp_path / "tool", program)
    tool.reset()
    one = replace(job, images=("one",))
    tool.prepare(one)
    (tool.command(one).directory / "left over").touch()
    tool.prepare(one)
    box = tool.command(one).directory
    assert (box / "kaniko" / "executor").read_text() == "binary"
    assert not (box / "left over").exists()
    script = tool.command(one).argv[-1]
    assert "--destination localhost:5/tool/w/round0/one:latest" in script
    assert "--no-push" in tool.command(replace(one, push=False)).argv[-1]
    tool.reset()
    assert tool.command(one).argv[-1] != script, "a cache of its own after every reset"


def test_makisus_flags(job: Job, tmp_path: Path) -> None:
    tool = Makisu(tmp_path / "tool", PROGRAM)
    script = tool.command(replace(job, images=("one",))).argv[-1]
    words = shlex.split(script.splitlines()[-1])
    assert words[:4] == ["exec", "chroot", ".", "/makisu-internal/makisu"]
    assert words[words.index("--push") + 1] == "localhost:5"
    settings = json.loads(words[words.index("--registry-config") + 1])
    assert settings["localhost:5"][".*"]["security"]["tls"]["client"]["disabled"]


def test_lines_run_as_commands(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"]}
    write_lines(tmp_path / "commands", [f"echo 'a  b' > {tmp_path}/{name}" for name in "xyz"])
    run(each_line(tmp_path / "commands", tmp_path, environment), tmp_path / "log")
    assert [(tmp_path / name).read_text() for name in "xyz"] == ["a  b\n"] * 3
    write_lines(tmp_path / "commands", ["true", "echo bad; false", "true"])
    with pytest.raises(CommandError, match="bad"):
        run(each_line(tmp_path / "commands", tmp_path, environment), tmp_path / "log")


def test_a_file_is_written_only_where_it_changes(tmp_path: Path) -> None:
    write(tmp_path / "file", "a")
    before = (tmp_path / "file").stat()
    write(tmp_path / "file", "a")
    assert (tmp_path / "file").stat() == before
    write(tmp_path / "file", "b")
    assert (tmp_path / "file").read_text() == "b"


def test_unmounting_where_nothing_is_mounted(tmp_path: Path) -> None:
    before = Path("/proc/mounts").read_text()
    unmount_below(tmp_path)
    assert Path("/proc/mounts").read_text() == before
