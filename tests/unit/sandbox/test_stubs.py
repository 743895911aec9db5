# ruff: noqa: PTH208
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mkbuild.sandbox.stubs import Stubs

OLD = 1_000_000_000


@pytest.fixture
def top(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "etc").mkdir(parents=True)
    for place in (made / "etc", made):
        os.utime(place, ns=(OLD, OLD))
    return made


@pytest.fixture
def stubs(top: Path) -> Iterator[Stubs]:
    fd = os.open(top, os.O_PATH)
    yield Stubs(fd)
    os.close(fd)


def test_made_and_removed_without_a_trace(stubs: Stubs, top: Path) -> None:
    stubs.make([("/etc/hosts", False), ("/a/b/c", True), ("/a/d", True), ("/etc", True)])
    assert (top / "etc/hosts").is_file()
    assert (top / "a/b/c").is_dir()
    assert (top / "a/d").is_dir()
    stubs.remove()
    assert [path.name for path in top.rglob("*")] == ["etc"]
    assert [place.stat().st_mtime_ns for place in (top, top / "etc")] == [OLD, OLD]


def test_what_is_used_stays_with_its_time(stubs: Stubs, top: Path) -> None:
    stubs.make([("/etc/hosts", False), ("/etc/resolv.conf", False), ("/a/b", True)])
    (top / "etc/hosts").write_text("mine")
    (top / "a/mine").touch()
    os.utime(top / "etc", ns=(5, 5))
    os.utime(top / "a", ns=(6, 6))
    stubs.remove()
    left = {str(path.relative_to(top)) for path in top.rglob("*")}
    assert left == {"etc", "etc/hosts", "a", "a/mine"}
    assert (top / "etc").stat().st_mtime_ns == 5
    assert (top / "a").stat().st_mtime_ns == 6


def test_what_took_a_stubs_place_is_not_followed(stubs: Stubs, top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "b").mkdir(parents=True)
    (outside / "f").touch()
    stubs.make([("/a/b", True), ("/c/f", False), ("/d", True)])
    for name in ("a", "c", "d"):
        shutil.rmtree(top / name)
        (top / name).symlink_to(outside)
    stubs.remove()
    assert sorted(os.listdir(outside)) == ["b", "f"]
    assert (top / "d").is_symlink()
