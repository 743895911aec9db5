"""Where limits can be held, read from texts of the kernel's; what is written there."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

from mkbuild.sandbox import cgroups, limits
from mkbuild.sandbox.limits import Hierarchy, Limits, Place, Places
from mkbuild.sandbox.spec import Group

HYBRID = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 /docker/1 /sys/fs/cgroup/memory ro,relatime master:3 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
"""
OWN_HYBRID = "5:name=systemd:/s\n4:memory:/docker/1/inner\n1:cpu,cpuacct:/\n0::/user/a b\n"
UNIFIED = "24 23 0:21 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
EVERY = frozenset({"cpu", "memory", "pids"})


def test_version_1_wins_where_it_has_the_controller() -> None:
    found = limits.mounted(HYBRID, OWN_HYBRID)
    assert found["cpu"] == Hierarchy(1, "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct")
    assert found["memory"] == Hierarchy(1, "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/inner")
    unified = "/sys/fs/cgroup/unified"
    assert found["pids"] == Hierarchy(2, unified, f"{unified}/user/a b")


def test_version_2_holds_all() -> None:
    found = limits.mounted(UNIFIED, "0::/user.slice/x.scope\n")
    assert set(found) == EVERY
    assert set(found.values()) == {
        Hierarchy(2, "/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/x.scope")
    }


@pytest.mark.parametrize("own", ["0::/docker/2\n", "0::/../..\n"])
def test_a_cgroup_outside_of_what_is_mounted(own: str) -> None:
    found = limits.mounted(UNIFIED.replace(" / ", " /docker/1 "), own)
    assert found["memory"].own == ""


def test_nothing_is_mounted() -> None:
    assert limits.mounted("25 23 0:22 / /proc rw - proc proc rw\n", "0::/\n") == {}


def test_files_of_version_1() -> None:
    places = Places(
        {"cpu": Place(1, "/c"), "memory": Place(1, "/m", swap=True), "pids": Place(1, "/p")}
    )
    assert places.groups(Limits(1.5, 1 << 20, 9)) == (
        Group("/c", (("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "150000"))),
        Group(
            "/m",
            (
                ("memory.limit_in_bytes", "1048576"),
                ("memory.memsw.limit_in_bytes", "1048576"),
            ),
        ),
        Group("/p", (("pids.max", "10"),)),
    )
    assert places.rlimits(Limits(1.5, 1 << 20, 9)) == ()
    assert places.groups(Limits()) == ()


def test_version_2_has_one_group() -> None:
    places = Places(dict.fromkeys(EVERY, Place(2, "/g", swap=True)))
    assert places.groups(Limits(0.001, 5000, 1)) == (
        Group(
            "/g",
            (
                ("cpu.max", "1000 100000"),
                ("memory.max", "5000"),
                ("memory.swap.max", "0"),
                ("pids.max", "2"),
            ),
        ),
    )
    assert places.groups(Limits(pids=3)) == (Group("/g", (("pids.max", "4"),)),)


def test_what_stands_in_and_the_warning_that_says_so() -> None:
    why = "/sys/fs/cgroup/user.slice: Permission denied"
    places = Places({}, dict.fromkeys(EVERY, why))
    assert places.groups(Limits(1, 5000, 9)) == ()
    assert places.rlimits(Limits(1, 5000, 9)) == (
        (resource.RLIMIT_DATA, 5000),
        (resource.RLIMIT_NPROC, 41),
    )
    assert places.warning() == (
        f"resources: RUN gets no cgroup ({why}): processors are not limited, memory is limited by "
        "process (RLIMIT_DATA), processes are limited by user (RLIMIT_NPROC); see docs/running.md"
    )
    assert Places().warning() == ""


def unified(top: Path, own: str, **files: str) -> Path:
    """Make what version 2 shows, as plain files: ``own`` below ``top``."""
    place = top / own
    place.mkdir(parents=True)
    for directory in (top, *place.parents, place):
        if directory.is_relative_to(top):
            (directory / "cgroup.subtree_control").write_text("")
            (directory / "cgroup.procs").write_text("")
            (directory / "cgroup.controllers").write_text("memory pids")
    for name, text in files.items():
        (place / name.replace("_", ".")).write_text(text)
    return place


def test_below_our_own_cgroup(tmp_path: Path) -> None:
    own = unified(tmp_path, "a")
    found = limits._delegated("memory", Hierarchy(2, str(tmp_path), str(own)))
    assert found == str(own)
    assert (own / "cgroup.subtree_control").read_text() == "+memory"
    with pytest.raises(OSError, match="the controller cpu is not handed down to it"):
        limits._delegated("cpu", Hierarchy(2, str(tmp_path), str(own)))


def test_beside_our_own_cgroup_where_others_live_in_it(tmp_path: Path) -> None:
    own = unified(tmp_path, "a/b", cgroup_type="domain", cgroup_procs="1 2", pids_max="max")
    hierarchy = Hierarchy(2, str(tmp_path), str(own))
    assert limits._delegated("memory", hierarchy) == str(own.parent)
    assert (own.parent / "cgroup.subtree_control").read_text() == "+memory"
    (own / "pids.max").write_text("500")
    with pytest.raises(OSError, match="other processes live in it"):
        limits._delegated("memory", hierarchy)


def test_below_the_one_that_we_moved_out_of_before(tmp_path: Path) -> None:
    own = unified(tmp_path, f"a/{cgroups.PREFIX}0123")
    found = limits._delegated("memory", Hierarchy(2, str(tmp_path), str(own)))
    assert found == str(own.parent)


def test_our_own_processes_may_be_moved() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        own, others = map(str, (os.getpid(), child.pid)), map(str, (os.getppid(), 1, 1 << 23))
        assert [limits._ours(process) for process in (*own, *others)] == [True] * 2 + [False] * 3


def test_directories_are_swept_that_nobody_holds(tmp_path: Path) -> None:
    held, lock = cgroups.make(str(tmp_path))
    left, other = cgroups.make(str(tmp_path))
    os.close(other)
    (tmp_path / "foreign").mkdir()
    cgroups.sweep(str(tmp_path))
    assert not Path(left).exists()
    assert {path.name for path in tmp_path.iterdir()} == {Path(held).name, "foreign"}
    os.close(lock)
    cgroups.sweep(str(tmp_path))
    assert not Path(held).exists()


def test_groups_are_made_written_and_removed(tmp_path: Path) -> None:
    groups = cgroups.Groups()
    with pytest.raises(FileNotFoundError, match=r"pids\.max"):
        groups.make([(str(tmp_path), (("pids.max", "3"),))])
    assert len(list(tmp_path.iterdir())) == 1
    groups.remove()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(FileNotFoundError, match="nowhere"):
        groups.make([(str(tmp_path / "nowhere"), ())])


@pytest.mark.parametrize(
    ("file", "text", "reached"),
    [
        ("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\n", ("memory",)),
        ("memory.events", "low 0\nmax 9\noom 1\noom_kill 0\n", ()),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", ("memory",)),
        ("pids.events", "max 3\n", ("pids",)),
        ("pids.events", "max 0\n", ()),
    ],
)
def test_counters_say_which_limit_was_met(
    tmp_path: Path, file: str, text: str, reached: tuple[str, ...]
) -> None:
    groups = cgroups.Groups()
    groups.make([(str(tmp_path), ())])
    [place] = tmp_path.iterdir()
    (place / file).write_text(text)
    assert groups.reached() == reached
