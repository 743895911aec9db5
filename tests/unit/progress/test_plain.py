"""Plain lines, word for word."""

import io
from pathlib import Path

from mkbuild.events import Event, StepStarted
from mkbuild.progress.plain import PlainReporter
from tests.support import builds


def show(events: list[Event], *, verbose: bool = False) -> list[str]:
    stream = io.StringIO()
    reporter = PlainReporter(stream, verbose=verbose)
    for event in events:
        reporter.emit(event)
    reporter.close()
    return stream.getvalue().splitlines()


def test_a_good_build() -> None:
    assert show(builds.good()) == [
        "pull debian 3.0 MB",
        "api > [build] RUN make",
        "api | cc -o a a.c",
        "api | warning: old",
        "api | half a line",
        "api | no newline",
        "api < [build] RUN make 3.2s",
        f"api = {builds.DIGEST} (2 steps, 1 ran, 3.3s)",
        f"pushed acme/api:1 {builds.DIGEST}",
        "warning: cache is down",
        "IMAGE  DIGEST        STEPS  RAN     SIZE     TIME",
        "base   0123456789ab      1    0   5.0 MB    0.01s",
        "api    0123456789ab      2    1    12 MB     3.3s",
        "built 2 images in 3.4s: 1 step ran, 2 cached",
    ]


def test_why_a_step_runs() -> None:
    start = StepStarted("s", "api", "final", "RUN make", "D:3:1", "a.c: added")
    assert show([start]) == ["api ? D:3:1: a.c: added", "api > [final] RUN make"]


def test_verbose_shows_every_event() -> None:
    lines = show(builds.good(), verbose=True)
    assert lines[:2] == ["2 images, 3 steps, 2 jobs", "base = COPY . / hit-local"]
    assert "api = [build] WORKDIR /src hit-remote" in lines
    assert f"pushed acme/api:1 {builds.DIGEST}" in lines
    assert f"unchanged acme/base:1 {builds.DIGEST}" in lines
    assert "debug: details" in lines


def test_a_failed_step(tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    lines = show(builds.bad(dockerfile))
    start = lines.index(f"FAILED api [final]: {dockerfile}:3: RUN failed: exit status 2")
    assert lines[start + 1 : start + 5] == [
        "       1 | FROM base",
        "       2 | RUN true",
        "  >    3 | RUN make all",
        "  last output of RUN make all:",
    ]
    assert lines[start + 5] == "  | line 31"
    assert "  | the end" in lines
    assert lines[-3:] == [
        "IMAGE  DIGEST        STEPS  RAN     SIZE     TIME",
        "api    failed            2    1        -     1.0s",
        "failed after 1.1s: steps: 1 failed, 0 ran, 0 cached, 1 skipped",
    ]


def test_nothing_to_do() -> None:
    assert show(builds.nothing_to_do())[-1] == "up to date: 1 image, 1 step cached, 0.12s"
