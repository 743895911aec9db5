"""Every example can be planned, and has nothing to mend."""

from pathlib import Path

import pytest

from mkbuild.cli.main import main

ROOT = Path(__file__).parents[2]
WORKSPACES = [path.parent for path in sorted(ROOT.glob("examples/*/BUILD.yaml"))]
DOCKERFILES = sorted(ROOT.glob("examples/**/*Dockerfile")) + sorted(ROOT.glob("docker/*Dockerfile"))


def names(path: Path) -> str:
    return str(path.relative_to(ROOT)) or "root"


@pytest.mark.parametrize("workspace", [ROOT, *WORKSPACES], ids=names)
def test_the_graph(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    assert main(["graph"]) == 0
    assert capsys.readouterr().out


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=names)
def test_lint(dockerfile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["lint", str(dockerfile)])
    assert status == 0, capsys.readouterr().out
