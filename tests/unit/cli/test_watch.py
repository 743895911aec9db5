"""Where nothing can be watched."""

import sys
from pathlib import Path

import pytest

from mkbuild.cli.main import main


def test_without_the_library(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    assert main(["watch"]) == 2
    assert "hint: pip install 'mkbuild[watch]'" in capsys.readouterr().err


def test_without_a_build_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["watch", "--storage", str(tmp_path / "store")]) == 2
    assert "there is no BUILD.yaml" in capsys.readouterr().err
