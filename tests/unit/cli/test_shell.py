"""Where no shell can be opened: each is said with what to do."""

from pathlib import Path

import pytest

from mkbuild.cli.main import main


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Dockerfile").write_text("# nothing\nFROM scratch AS one\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["shell"], 2, "a shell needs a terminal"),
        (["shell", "-c", "true"], 2, "no step failed in the last build in this directory"),
        (["shell", ".", "-c", "true", "--sandbox", "modifyfs"], 1, "in modifyfs mode"),
        (["shell", ".", "--at", "x", "-c", "true"], 2, "--at x: no line is named"),
        (["shell", ".", "--at", "0", "-c", "true"], 2, "--at 0: no line is named"),
        (["shell", ".", "--at", "1", "-c", "true"], 2, "line 1 belongs to no stage"),
        (["shell", "--at", "3", "-c", "true"], 2, "--at 3 needs a TARGET"),
        (["shell", "--at", "Other:3", "-c", "true"], 2, "there is no BUILD.yaml"),
        (["shell", ".", "--at", "Other:3", "-c", "true"], 2, "and no target is what was named"),
        (["shell", "--stage", "one", "-c", "true"], 2, "--stage needs a TARGET"),
        (["shell", ".", "--stage", "oen", "-c", "true"], 2, "did you mean 'one'?"),
        (["shell", ".", "-c", "true", "--", "true"], 2, "-c and -- are two commands"),
        (["build", ".", "-i"], 2, "a shell needs a terminal"),
    ],
)
@pytest.mark.usefixtures("_here")
def test_refusals(
    words: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == status
    shown = capsys.readouterr().err
    assert told in shown
    assert "hint: " in shown
