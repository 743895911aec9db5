"""Storages that are full, or cannot be written: an error that says so, and nothing broken after."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.command import Mkbuild

pytestmark = pytest.mark.root


@contextmanager
def disk(place: Path, options: str) -> Iterator[Path]:
    """Mount an empty filesystem for a while."""
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "BUILD.yaml").write_text("version: 1\nimages: {a: {context: .}}\n")
    (directory / "Dockerfile").write_text("FROM scratch\nCOPY big /big\n")
    with (directory / "big").open("wb") as file:
        for number in range(200_000):  # does not compress
            file.write(hash((number, "x")).to_bytes(8, "big", signed=True))
    return directory


@pytest.mark.parametrize("size", ["40k", "400k", "1m"])
def test_a_full_disk(tmp_path: Path, work: Path, size: str) -> None:
    with disk(tmp_path / "disk", f"size={size}") as place:
        done = Mkbuild(work, place / "store").run("a")
        assert done.returncode == 1, done.stderr
        assert f"error: {place}/store: No space left on device\n" in done.stderr
        assert "hint: mkbuild cache gc removes old results" in done.stderr
        subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
        again = Mkbuild(work, place / "store").run("a")
        assert again.returncode == 0, again.stderr


def test_a_disk_that_cannot_be_written(tmp_path: Path, work: Path) -> None:
    with disk(tmp_path / "disk", "ro") as place:
        done = Mkbuild(work, place / "store").run("a")
    assert done.returncode == 1
    assert f"error: the storage {place}/store cannot be used: Read-only file system" in done.stderr
    assert "hint: --storage DIR" in done.stderr


def test_a_storage_that_is_a_file(work: Path) -> None:
    done = Mkbuild(work, work / "big").run("a")
    assert done.returncode == 1
    assert "error: the storage big cannot be used: File exists" in done.stderr
