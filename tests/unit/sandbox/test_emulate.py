# ruff: noqa: PTH115, PTH208
import os
import stat
from pathlib import Path

from mkbuild.sandbox.emulate import copy, copy_entries


def test_copies_modes_times_links_and_fifos(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    (source / "d/f").write_text("x")
    (source / "d/f").chmod(0o751)
    (source / "d/l").symlink_to("/nowhere")
    os.mkfifo(source / "d/p")
    for name in ("d/f", "d"):
        os.utime(source / name, ns=(7, 7))
    fd, parent = os.open(source, os.O_PATH), os.open(tmp_path, os.O_PATH)
    copy(fd, parent, "target")
    assert (target / "d/f").read_text() == "x"
    found = (target / "d/f").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (0o751, 7)
    assert (target / "d").stat().st_mtime_ns == 7
    assert os.readlink(target / "d/l") == "/nowhere"
    assert stat.S_ISFIFO((target / "d/p").lstat().st_mode)
    os.close(fd)
    os.close(parent)


def test_a_link_at_the_target_is_replaced_not_followed(tmp_path: Path) -> None:
    source, target, outside = (tmp_path / name for name in ("source", "target", "outside"))
    for place in (source / "d", target, outside):
        place.mkdir(parents=True)
    (source / "d/f").write_text("new")
    (source / "g").write_text("new")
    (outside / "g").write_text("theirs")
    (target / "d").symlink_to(outside)
    (target / "g").symlink_to(outside / "g")
    (target / "kept").touch()
    fds = [os.open(place, os.O_RDONLY) for place in (source, target)]
    copy_entries(*fds)
    assert sorted(os.listdir(target)) == ["d", "g", "kept"]
    assert (target / "d/f").read_text() == "new"
    assert not (target / "d").is_symlink()
    assert sorted(os.listdir(outside)) == ["g"]
    assert (outside / "g").read_text() == "theirs"
    for fd in fds:
        os.close(fd)
