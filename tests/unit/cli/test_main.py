"""Exit statuses of the console script."""

from pathlib import Path

import pytest

from mkbuild import __version__
from mkbuild.cli.main import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"mkbuild {__version__}\n"


@pytest.mark.parametrize("args", [["build", "--nonsense"], ["list", "--nonsense"], ["-j", "zero"]])
def test_usage_errors(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    assert "Usage: mkbuild" in capsys.readouterr().err


def test_user_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(tmp_path / "gone"), "all"]) == 2
    assert capsys.readouterr().err.startswith("error: -C ")
