"""The main job, as it must be shown: the monorepo, by whom, where and when it is built."""

import json
import os
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.command import CLEAN, ROOT, Mkbuild, digests, ran, registries
from tests.support.users import become, own

pytestmark = pytest.mark.root
MONOREPO = ROOT / "examples" / "monorepo"


def monorepo(place: Path, name: str = "work", *, copied: bool = False) -> Mkbuild:
    directory = place / name / "monorepo"
    shutil.copytree(MONOREPO, directory)
    return Mkbuild(directory, place / name / "store", registries(place, copied=copied))


@pytest.fixture(scope="module")
def as_root(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return digests(monorepo(tmp_path_factory.mktemp("root")).build("all"))


@pytest.mark.userns
@pytest.mark.parametrize("ranges", [True, False], ids=["subuids", "single-id"])
def test_a_user_gets_the_digests_that_root_gets(
    tmp_path: Path, as_root: dict[str, str], *, ranges: bool
) -> None:
    user = monorepo(tmp_path, copied=True)
    (tmp_path / "account").mkdir()
    user.prefix = become(tmp_path / "account", ranges=ranges)
    own(tmp_path)
    found = digests(user.build("all"))
    if not ranges:
        # useradd gives a home to its user, which a single id cannot hold: those images differ.
        as_root = {"tool": as_root["tool"]}
        found = {"tool": found["tool"]}
    assert found == as_root


def test_two_places_two_umasks_two_times(tmp_path: Path, as_root: dict[str, str]) -> None:
    other = monorepo(tmp_path, "another place")
    for path in other.directory.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    assert digests(other.build("all", umask=0o077)) == as_root


def test_a_no_op_loads_nothing_heavy_reads_no_contents_and_connects_nowhere(
    tmp_path: Path,
) -> None:
    work = monorepo(tmp_path)
    work.build("all")
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-qq", "-o", str(trace), "-e", "trace=open,openat,connect"]
    work.prefix = tuple(command)
    work.environment = {"PYTHONVERBOSE": "1"}
    done = work.run("build", "all", "--progress", "plain")
    assert done.returncode == 0, done.stderr
    loaded = {
        line.split()[1].strip("'") for line in done.stderr.splitlines() if line[:7] == "import "
    }
    assert loaded
    assert not loaded & {"requests", "rich.live", "distributed", "networkx", "redis"}
    lines = trace.read_text().splitlines()
    assert not [line for line in lines if "connect(" in line and "AF_INET" in line]
    opened = [line for line in lines if str(work.directory) in line and "O_DIRECTORY" not in line]
    names = {line.split('"')[1].rpartition("/")[2] for line in opened if "ENOENT" not in line}
    assert names <= {"BUILD.yaml", "Dockerfile", ".dockerignore", "monorepo"}


SLEEPER = """FROM busybox:stable
RUN echo ready && touch /made && exec sleep {seconds}
"""


def test_kill_in_the_middle_of_a_run_leaves_nothing(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    seconds = f"{100_000 + os.getpid()}"
    (context / "Dockerfile").write_text(SLEEPER.format(seconds=seconds))
    mkbuild = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))
    process = subprocess.Popen(
        mkbuild.command("build", "./context", "--progress", "plain"),
        cwd=tmp_path,
        env=mkbuild.env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stderr is not None
        while "| ready" not in (line := process.stderr.readline()):
            assert line, "it ended before"
        os.killpg(process.pid, signal.SIGKILL)
    (context / "Dockerfile").write_text(SLEEPER.format(seconds="0"))
    mkbuild.build("./context")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert not [pid for pid in processes() if f"sleep\0{seconds}" in cmdline(pid)]
    left = [path for path in (tmp_path / "store").rglob("tmp/*") if path.is_dir()]
    assert left == []


def processes() -> list[str]:
    return [path.name for path in Path("/proc").iterdir() if path.name.isdecimal()]


def cmdline(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_two_builds_and_a_collector_share_a_store(tmp_path: Path, as_root: dict[str, str]) -> None:
    first, second = monorepo(tmp_path, "a"), monorepo(tmp_path, "b")
    second.storage = first.storage
    collector = Mkbuild(tmp_path, first.storage)
    reports = [tmp_path / "a.json", tmp_path / "b.json"]
    builds = [
        subprocess.Popen(
            mkbuild.command("build", "all", "--metadata-file", str(report)),
            cwd=mkbuild.directory,
            env=mkbuild.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        for mkbuild, report in zip((first, second), reports, strict=True)
    ]
    while any(build.poll() is None for build in builds):
        collected = collector.run("cache", "prune")
        assert collected.returncode == 0, collected.stderr
    for build in builds:
        _, errors = build.communicate()
        assert build.returncode == 0, errors
    for report in reports:
        assert digests(json.loads(report.read_text())) == as_root


def test_a_changed_instruction_runs_it_and_its_dependents(tmp_path: Path) -> None:
    work = monorepo(tmp_path)
    work.build("all")
    dockerfile = work.directory / "stats" / "Dockerfile"
    text = dockerfile.read_text()
    dockerfile.write_text(text.replace("RUN sh test.sh", "RUN sh test.sh && true"))
    found = ran(work.build("all"))
    assert found["stats"][0] == "RUN sh test.sh && true"
    assert "web" not in found
    assert "base" not in found
    assert "tool" not in found


UNSTEADY = """FROM busybox:stable AS maker
RUN cat /proc/sys/kernel/random/uuid > /id
FROM busybox:stable
COPY --from=maker /id /copied
RUN cp /copied /again
"""


def test_a_rebuilt_unsteady_step_is_never_mixed_with_its_older_results(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(UNSTEADY)
    mkbuild = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))

    def contents(*flags: str) -> set[str]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        mkbuild.build("./context", "--output", f"type=local,dest={out}", *flags)
        return {(out / name).read_text() for name in ("copied", "again")}

    first = contents()
    assert len(first) == 1
    assert contents() == first
    second = contents("--no-cache-filter", "maker")
    assert len(second) == 1
    assert second != first
    assert contents() == second


MEETING = """FROM busybox:stable
RUN --mount=type=cache,target=/here read id < /proc/sys/kernel/random/uuid && touch /here/$id && \\
    while [ $(ls /here | wc -l) -lt 2 ]; do sleep 0.01; done && echo $id > /id
"""


def test_what_two_builds_run_at_one_time_has_the_result_of_the_first(tmp_path: Path) -> None:
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(MEETING)
    mkbuild = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))

    def build(out: str) -> subprocess.Popen[str]:
        command = mkbuild.command("build", "./context", "--output", f"type=local,dest={out}")
        return subprocess.Popen(
            command, cwd=tmp_path, env=mkbuild.env, stderr=subprocess.PIPE, text=True
        )

    for process in [build("one"), build("two")]:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert "1 step ran" in errors
    mkbuild.build("./context", "--output", "type=local,dest=again")
    ids = {(tmp_path / out / "id").read_text() for out in ("one", "two", "again")}
    assert len(ids) == 1


def test_the_wheel_builds_images_by_itself(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    work = monorepo(tmp_path)
    command = [str(tmp_path / "venv/bin/mkbuild"), "all", "--storage", str(work.storage)]
    done = subprocess.run(
        [*command, "--registries", str(work.registries)],
        cwd=work.directory,
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    schema = subprocess.run(
        [str(tmp_path / "venv/bin/mkbuild"), "schema"], env=CLEAN, capture_output=True, check=True
    )
    assert json.loads(schema.stdout)["type"] == "object"
    page = subprocess.run(
        [str(tmp_path / "venv/bin/mkbuild"), "graph", "--format", "html"],
        cwd=work.directory,
        env=CLEAN,
        capture_output=True,
        check=True,
    )
    assert page.stdout.startswith(b"<!DOCTYPE html>")
