"""The verb: found behind general options, build by default."""

import pytest

from mkbuild.cli.verbs import arrange


@pytest.mark.parametrize(
    ("given", "arranged"),
    [
        ([], ["build"]),
        (["all"], ["build", "all"]),
        (["build", "all"], ["build", "all"]),
        (["-C", "dir", "list", "-v"], ["list", "-C", "dir", "-v"]),
        (["-Cdir", "list"], ["list", "-Cdir"]),
        (["--directory=dir", "-v", "list"], ["list", "--directory=dir", "-v"]),
        (["-k", "list"], ["build", "-k", "list"]),
        (["-f", "list", "api"], ["build", "-f", "list", "api"]),
        (["-v"], ["build", "-v"]),
        (["--", "list"], ["build", "--", "list"]),
        (["--help"], ["--help"]),
        (["--version", "x"], ["--version", "x"]),
        (["!x"], ["build", "!x"]),
    ],
)
def test_arrange(given: list[str], arranged: list[str]) -> None:
    assert arrange(given) == arranged
