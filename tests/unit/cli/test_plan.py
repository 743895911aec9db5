import pytest

from mkbuild.cli.plan import show
from mkbuild.engine.preview import Preview, PreviewedStep
from mkbuild.events import Status


def step(target: str, instruction: str, status: Status, why: str = "") -> PreviewedStep:
    place = f"{target}/Dockerfile:2"
    return PreviewedStep(
        target, "stage-0", instruction, place, f"key of {instruction}", status, 0, 0, why
    )


def test_a_step_that_targets_share_is_shown_once(capsys: pytest.CaptureFixture[str]) -> None:
    shared, cached = (
        step("base", "RUN one", "miss", "it is new"),
        step("base", "RUN 0", "hit-local"),
    )
    own = step("app", "COPY . /", "miss")
    show(
        Preview({"base": (cached, shared), "app": (cached, shared, own), "twin": (cached, shared)})
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip() for line in lines] == [
        "base",
        "  hit-local                    [stage-0] RUN 0",
        "  miss                         [stage-0] RUN one",
        "      it is new",
        "app  (2 steps above)",
        "  miss                         [stage-0] COPY . /",
        "twin  (2 steps above)",
        "2 steps would run, 1 cached",
    ]
