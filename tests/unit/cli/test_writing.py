import os
import stat
from pathlib import Path

import pytest

from mkbuild.cli.writing import write
from mkbuild.errors import BuildError


def test_a_file_or_standard_output(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    write("ä\udcff\n", str(tmp_path / "page"))
    assert (tmp_path / "page").read_bytes() == b"\xc3\xa4\\udcff\n"
    write("one\n", None)
    write("two\n", "-")
    assert capfdbinary.readouterr().out == b"one\ntwo\n"


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BuildError, match=r"cannot write .*/file/page: "):
        write("", str(tmp_path / "file" / "page"))


@pytest.mark.parametrize("place", ["/", "."])
def test_a_directory_is_no_place_for_a_file(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BuildError, match=f"cannot write {place}: "):
        write("", place)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_keeps_its_mode_and_its_links(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("before")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    write("after", str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "after"
    assert (tmp_path / "file").stat().st_mode & 0o7777 == 0o640


def test_what_is_no_file_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write("through", str(pipe))
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
