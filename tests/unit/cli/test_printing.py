"""build --print and --list."""

import json
from pathlib import Path

import pytest

from mkbuild.cli.main import main

BUILD = """\
version: 1
images:
  base: {context: base, args: {A: "1"}}
  api: {context: api, tags: [acme/api]}
groups: {default: [api]}
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "BUILD.yaml").write_text(BUILD)
    (tmp_path / "api").mkdir()
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out == "api\n"
    assert main(["all", "--list"]) == 0
    assert capsys.readouterr().out == "base\napi\n"


def test_print(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    assert main(["base", "--print", "--set", "base.args.A=2", "--platform", "linux/arm64"]) == 0
    printed = json.loads(capsys.readouterr().out)["target"]["base"]
    assert printed["args"] == {"A": "2"}
    assert printed["platforms"] == ["linux/arm64"]
    assert printed["context"] == {"path": str(workspace / "base")}
    assert "tags" not in printed


def test_a_lone_dockerfile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-t", "x:1", "./api", "--print"]) == 0
    (printed,) = json.loads(capsys.readouterr().out)["target"].values()
    assert printed["tags"] == ["x:1"]


def test_nothing_matches(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["x*", "--list"]) == 4
    assert "error: 'x*' matches no target" in capsys.readouterr().err
