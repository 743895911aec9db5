# ruff: noqa: PTH115, PTH208
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild.sandbox.paths import PathError, Walk, open_below, proc


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    top = tmp_path / "root"
    top.mkdir()
    (tmp_path / "outside").mkdir()
    fd = os.open(top, os.O_PATH)
    yield fd
    os.close(fd)


def place(fd: int) -> Path:
    return Path(os.readlink(proc(fd)))


def where(root: int, path: str) -> str:
    fd = open_below(root, path)
    try:
        return "/" + str(place(fd).relative_to(place(root)))
    finally:
        os.close(fd)


def test_links_stay_inside(root: int) -> None:
    top = place(root)
    (top / "a/b").mkdir(parents=True)
    (top / "abs").symlink_to("/a")
    (top / "a/up").symlink_to("../../../../a/b")
    (top / "a/rel").symlink_to("b/../b")
    (top / "chain").symlink_to("abs/up")
    assert where(root, "/abs/b") == "/a/b"
    assert where(root, "a/up") == "/a/b"
    assert where(root, "a/rel/.") == "/a/b"
    assert where(root, "chain") == "/a/b"
    assert where(root, "../../..") == "/."
    assert where(root, "a//b/..") == "/a"


def test_loops_missing_and_files(root: int) -> None:
    top = place(root)
    (top / "loop").symlink_to("loop")
    (top / "file").write_text("")
    (top / "link").symlink_to("file")
    with pytest.raises(PathError, match="too many levels"):
        open_below(root, "loop")
    with pytest.raises(PathError, match="does not exist"):
        open_below(root, "no")
    with pytest.raises(PathError, match="not a directory"):
        open_below(root, "file/x")
    with pytest.raises(PathError, match="symbolic link"):
        open_below(root, "link", follow=False)


def test_make(root: int, tmp_path: Path) -> None:
    top = place(root)
    (top / "out").symlink_to("../outside/new")
    parents: list[str] = []
    walk = Walk(root)
    assert not walk.go("out/deep/file")
    walk.make(directory=False, created=lambda fd: parents.append(str(place(fd))))
    assert (top / "outside/new/deep/file").is_file()
    assert walk.made == [
        ([], "outside"),
        (["outside"], "new"),
        (["outside", "new"], "deep"),
        (["outside", "new", "deep"], "file"),
    ]
    assert parents[0] == str(top)
    assert list((tmp_path / "outside").iterdir()) == []
    walk.close()


def test_nothing_stays_open(root: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    (place(root) / "loop").symlink_to("loop")
    for path in ("a/b", "loop", "../x"):
        with pytest.raises(PathError):
            open_below(root, path)
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.lists(st.sampled_from(["..", ".", "", "d", "l", "abs", "file"]), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_no_path_leads_out(root: int, parts: list[str]) -> None:
    top = place(root)
    if not (top / "d").exists():
        (top / "d/d").mkdir(parents=True)
        (top / "l").symlink_to("..")
        (top / "d/l").symlink_to("../../..")
        (top / "d/abs").symlink_to("/d")
        (top / "file").write_text("")
    try:
        fd = open_below(root, "/".join(parts))
    except PathError:
        return
    found = place(fd)
    os.close(fd)
    assert found == top or top in found.parents
