import os
from pathlib import Path

import pytest

from mkbuild.snapshot import contents
from mkbuild.snapshot.directories import Directories


def test_descriptors_are_found_again_however_few_are_kept(tmp_path: Path) -> None:
    paths = [f"a{n}/b/c" for n in range(20)]
    for path in paths:
        (tmp_path / path).mkdir(parents=True)
        (tmp_path / path / "x").write_text(path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- names alone
    with Directories(tmp_path, keep=8) as directories:
        for path in paths * 2:
            fd, name = directories.parent(f"{path}/x")
            found = os.open(name, os.O_RDONLY, dir_fd=fd)
            assert os.read(found, 100) == path.encode()
            os.close(found)
        assert len(os.listdir("/proc/self/fd")) <= before + 9  # noqa: PTH208
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_no_step_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "l").symlink_to("d")
    with Directories(tmp_path) as directories:
        for path in ("l", "l/x", "f", "d/none"):
            with pytest.raises(OSError, match=r"Errno"):
                directories.fd(path)
        assert directories.fd("d")


def test_what_is_forgotten_is_opened_anew(tmp_path: Path) -> None:
    (tmp_path / "d" / "e").mkdir(parents=True)
    (tmp_path / "dd").mkdir()
    with Directories(tmp_path) as directories:
        directories.fd("d/e")
        kept = directories.fd("dd")
        directories.forget("d")
        (tmp_path / "d").rename(tmp_path / "old")
        with pytest.raises(FileNotFoundError):
            directories.fd("d/e")
        assert directories.fd("dd") == kept


def test_files_deeper_than_path_max_are_opened(tmp_path: Path) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    names = ["n" * 200] * 50
    for name in names:
        os.mkdir(name, dir_fd=at)
        inner = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    fd = os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=at)
    contents.write(fd, b"deep")
    os.close(fd)
    os.close(at)
    path = tmp_path.joinpath(*names, "f")
    assert contents.sha256(path) == contents.sha256_of([b"de", b"ep"])


def test_a_link_or_fifo_in_a_files_place_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "p")
    with pytest.raises(OSError, match="symbolic"):
        contents.open_file(tmp_path / "l")
    assert list(contents.pieces(contents.open_file(tmp_path / "p"), 0)) == []


@pytest.mark.parametrize("size", [0, 1, 5, 6, 1 << 21])
def test_pieces_tell_what_there_is_not_what_there_should_be(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(b"hello")
    found = contents.pieces(contents.open_file(tmp_path / "f"), size)
    assert b"".join(found) == b"hello"
