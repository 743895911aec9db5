"""``resources``: limits of a RUN, held by cgroups where those can be made."""

import json
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mkbuild.errors import CancelledError
from mkbuild.sandbox import cgroups, limits
from mkbuild.sandbox.limits import Limits
from mkbuild.sandbox.namespace import NamespaceSandbox
from mkbuild.sandbox.spec import RunSpec
from tests.support.command import Mkbuild, registries
from tests.support.sandbox_users import busybox_root, public_directory
from tests.support.users import UID, become, own

pytestmark = pytest.mark.root

IMAGES = {
    "hog": (
        "--mount=type=tmpfs,target=/t dd if=/dev/zero of=/t/x bs=1M count=200",
        {"memory": "64MB"},
    ),
    "forks": (
        "i=0; while [ $i -lt 40 ]; do sleep 100 & i=$((i+1)); done; kill $(jobs -p)",
        {"pids": 20},
    ),
    "fine": (
        "dd if=/dev/zero of=/x bs=1M count=20 2>/dev/null && rm /x && echo y > /y",
        {"memory": "64MB"},
    ),
    "slow": ("echo ready; sleep 1000", {"memory": "64MB", "pids": 50}),
}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from public_directory()


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    images = {
        name: {"dockerfile_inline": f"FROM busybox\nRUN {command}\n", "resources": resources}
        for name, (command, resources) in IMAGES.items()
    }
    (tmp_path / "BUILD.yaml").write_text(json.dumps({"version": 1, "images": images}))
    return Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))


def left() -> list[str]:
    """Return the cgroups of RUNs that are there."""
    found = limits.mounted(
        Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text()
    )
    tops = {Path(hierarchy.top) for hierarchy in found.values() if hierarchy.top}
    return [str(path) for top in tops for path in top.rglob(f"{cgroups.PREFIX}*")]


def until_none_is_left() -> list[str]:
    deadline = time.monotonic() + 20
    while (found := left()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("mode", ["namespace", "chroot"])
def test_what_exceeds_a_limit_fails_and_the_error_names_it(mkbuild: Mkbuild, mode: str) -> None:
    done = mkbuild.run("build", "hog", "--sandbox", mode)
    assert done.returncode == 1
    assert "(Killed); the kernel killed it at its limit of memory, 64 MB\n" in done.stderr
    assert "hint: raise resources.memory of hog, or let the command do less" in done.stderr
    done = mkbuild.run("build", "forks", "--sandbox", mode)
    assert done.returncode == 1
    assert "; it met its limit of 20 processes and threads\n" in done.stderr
    assert "hint: raise resources.pids of forks" in done.stderr
    done = mkbuild.run("build", "fine", "--sandbox", mode)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    # on the command line, too; and the same result whatever the limit
    done = mkbuild.run("build", "fine", "--set", "fine.resources.memory=80MB", "--expect-cached")
    assert done.returncode == 0, done.stderr
    assert left() == []


def test_a_run_lives_in_its_cgroups_which_go_when_it_is_cancelled(tmp_path: Path) -> None:
    asked = Limits(cpus=0.5, memory=1 << 26, pids=30)
    places = limits.find(asked.wanted())
    groups = places.groups(asked)
    assert places.missing == {}
    lower = busybox_root(tmp_path / "lower")
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    sandbox, seen = NamespaceSandbox(), []

    def output(_fd: int, data: bytes) -> None:
        for group in groups:
            [made] = Path(group.parent).glob(f"{cgroups.PREFIX}*")
            assert len((made / "cgroup.procs").read_text().split()) >= len(["init", "sh"])
            for name, text in group.files:
                seen.append(((made / name).read_text().strip(), text))
        seen.append((data.decode(), ""))
        sandbox.cancel()

    spec = RunSpec(
        ("/bin/sh", "-c", "cat /proc/self/cgroup | tr '\\n' ' '; sleep 1000"),
        {"PATH": "/bin"},
        lowers=(str(lower),),
        upper=str(tmp_path / "upper"),
        work=str(tmp_path / "work"),
        cgroups=groups,
    )
    with pytest.raises(CancelledError):
        sandbox.run(spec, output)
    *files, (shown, _) = seen
    assert files
    assert all(found == wanted for found, wanted in files)
    assert cgroups.PREFIX not in shown  # its namespace begins at its own cgroup
    assert left() == []


def test_kill_9_of_the_build_leaves_no_cgroup(mkbuild: Mkbuild) -> None:
    with subprocess.Popen(
        mkbuild.command("build", "slow"),
        cwd=mkbuild.directory,
        env=mkbuild.env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        assert any(line == "slow | ready\n" for line in process.stderr)
        assert left()
        os.killpg(process.pid, signal.SIGKILL)
    assert until_none_is_left() == []


def test_what_a_killed_supervisor_left_is_swept_by_the_next() -> None:
    places = limits.find(frozenset({"pids"}))
    [group] = places.groups(Limits(pids=5))
    held, lock = cgroups.make(group.parent)
    abandoned, other = cgroups.make(group.parent)
    os.close(other)
    limits.find(frozenset({"pids"}))
    assert left() == [held]
    assert not Path(abandoned).exists()
    cgroups.remove(held)
    os.close(lock)


@pytest.mark.userns
def test_without_a_cgroup_a_warning_says_why_and_what_holds_instead(
    mkbuild: Mkbuild, tmp_path: Path
) -> None:
    both = "FROM busybox\nRUN cat /proc/self/limits\nRUN dd if=/dev/zero of=/x bs=200M count=1\n"
    image = {"dockerfile_inline": both, "resources": {"memory": "64MB", "pids": 30, "cpus": 1}}
    (tmp_path / "BUILD.yaml").write_text(json.dumps({"version": 1, "images": {"x": image}}))
    (tmp_path / "account").mkdir()
    registries(tmp_path, copied=True)
    mkbuild.prefix = become(tmp_path / "account", ranges=True)
    own(tmp_path)
    done = mkbuild.run("build", "x")
    assert done.returncode == 1
    assert done.stderr.count("warning: resources: RUN gets no cgroup (") == 1
    assert "Permission denied): processors are not limited, memory is limited by" in done.stderr
    shown = {line[:26].strip(): line[26:].split() for line in done.stderr.splitlines()}
    assert shown["x | Max data size"][:2] == ["64000000", "64000000"]
    assert shown["x | Max processes"][:2] == ["62", "62"]
    assert "out of memory" in done.stderr


@contextmanager
def delegated() -> Iterator[list[str]]:
    """Make a cgroup that belongs to the user; yields the files that put a process into it."""
    made = []
    for place in {place.parent for place in limits.find(frozenset({"memory"})).found.values()}:
        directory = Path(place) / f"delegated-{uuid.uuid4().hex[:8]}"
        directory.mkdir()
        for path in (directory, *directory.iterdir()):
            os.chown(path, UID, UID)
        made.append(directory)
    yield [str(directory / "cgroup.procs") for directory in made]
    for directory in made:
        directory.rmdir()


@pytest.mark.userns
def test_a_user_with_a_delegated_cgroup_has_limits(mkbuild: Mkbuild, tmp_path: Path) -> None:
    (tmp_path / "account").mkdir()
    registries(tmp_path, copied=True)
    own(tmp_path)
    with delegated() as files:
        enter = 'for file in $0; do echo $$ > $file; done; exec "$@"'
        user = become(tmp_path / "account", ranges=True)
        mkbuild.prefix = ("sh", "-c", enter, " ".join(files), *user)
        own(tmp_path)
        done = mkbuild.run("build", "hog")
        assert done.returncode == 1
        assert "the kernel killed it at its limit of memory, 64 MB" in done.stderr
        assert "warning" not in done.stderr
