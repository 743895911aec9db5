"""Files that a run leaves."""

import os
import threading
from pathlib import Path

import pytest

from mkbuild.buildfile.target import STDOUT
from mkbuild.engine.writing import replacing, write_text
from mkbuild.errors import BuildError


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_text(path, "old")
    with replacing(path) as stream:
        stream.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_mode_and_link_stay(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to("file")
    write_text(link, "new")
    assert link.is_symlink()
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_pipe_is_written_into_and_stays_one(tmp_path: Path) -> None:
    """A device likewise: a /dev/null that became a file would break the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_text(pipe, "text")
    assert pipe.is_fifo()
    reader.join()
    assert got == [b"text"]


def test_a_full_device_is_an_error(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    with pytest.raises(BuildError, match=r"cannot write .*link: No space left on device"):
        write_text(link, "text")
    assert link.is_symlink()
    assert link.is_char_device()


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    write_text(Path(STDOUT), "text")
    assert capfd.readouterr().out == "text"
