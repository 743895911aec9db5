"""The command without its verb, and its help."""

import pytest
from click.testing import CliRunner

from mkbuild.cli.root import root
from mkbuild.cli.verbs import VERBS


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
