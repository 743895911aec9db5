import pytest

from mkbuild.errors import StepError
from mkbuild.execute.workdir import workdir
from tests.unit.execute.trees import directory, file, shown, state, symlink

BASE = state(
    directory("ex", 0o700, 3, 3),
    symlink("to", "/ex"),
    symlink("dangling", "/made"),
    file("plain", b""),
    file("etc/passwd", b"bob:x:11:12::/:\n"),
    embedded={"etc/passwd": b"bob:x:11:12::/:\n"},
)


@pytest.mark.parametrize(
    ("path", "user", "expected"),
    [
        ("/", "", []),
        ("/ex", "bob", []),
        ("/to", "bob", []),
        ("/ex/", "", []),
        ("/a/../b//c/", "", ["d 755 0:0 b", "d 755 0:0 b/c"]),
        ("/a/b", "bob", ["d 755 11:12 a", "d 755 11:12 a/b"]),
        ("/a", "5", ["d 755 5:5 a"]),
        ("/a", "5:6", ["d 755 5:6 a"]),
        ("/a", "unknown", ["d 755 0:0 a"]),
        ("/to/a", "bob", ["d 700 3:3 ex", "d 755 11:12 ex/a"]),
        ("/dangling", "", ["d 755 0:0 made"]),
        ("/../../a", "", ["d 755 0:0 a"]),
    ],
)
def test_the_directory_is_made(path: str, user: str, expected: list[str]) -> None:
    diff = workdir(BASE, path, user, 7000)
    assert shown(diff) == expected
    assert all(entry.mtime in {7000, 1000} for entry in diff.toc.entries)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/" + "a" * 256, "256 bytes, and a file's can have 255"),
        ("/" + "ä" * 128 + "/b", "256 bytes"),
        ("/a\0b", "NUL"),
    ],
)
def test_names_that_no_filesystem_holds(path: str, why: str) -> None:
    with pytest.raises(StepError, match=why):
        workdir(BASE, path, "", 7000)
    assert shown(workdir(BASE, "/" + "a" * 255, "", 7000)) == ["d 755 0:0 " + "a" * 255]


@pytest.mark.parametrize("path", ["/plain", "/plain/a"])
def test_a_file_is_in_the_way(path: str) -> None:
    with pytest.raises(StepError, match="/plain is not a directory"):
        workdir(BASE, path, "", 0)
