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
