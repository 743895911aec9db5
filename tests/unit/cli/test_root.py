"""The verb: found behind general options, build by default."""

import pytest
from click.testing import CliRunner

from mkbuild.cli.root import VERBS, arrange, root


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


@pytest.mark.parametrize("verb", [verb for verbs in VERBS.values() for verb in verbs])
def test_every_verb_has_help(verb: str) -> None:
    result = CliRunner().invoke(root, [verb, "--help"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Usage: root {verb}")


def test_help_is_grouped() -> None:
    output = CliRunner().invoke(root, ["build", "--help"]).output
    headings = [line for line in output.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings[:2] == ["Build files:", "What is built:"]
    assert headings[-1] == "General:"
    assert "log-output" not in output
