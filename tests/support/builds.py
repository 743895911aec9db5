"""Events of small builds, for reporters."""

from pathlib import Path

from mkbuild.events import (
    Event,
    Message,
    Published,
    RunFinished,
    RunStarted,
    StepFinished,
    StepOutput,
    StepStarted,
    TargetFinished,
    Transfer,
)

DIGEST = "sha256:" + "0123456789ab" + "0" * 52


def good() -> list[Event]:
    """Two images: one cached, one of which a step ran."""
    run = ("s2", "api", "build", "RUN make", "api/Dockerfile:3")
    return [
        RunStarted(("base", "api"), 3, 2),
        StepFinished(
            "s1", "base", "", "COPY . /", "base/Dockerfile:2", "hit-local", 0.0, key="sha256:k1"
        ),
        TargetFinished("base", DIGEST, ("acme/base",), 1, 0, 0.01, 5_000_000),
        StepFinished("s0", "api", "build", "WORKDIR /src", "api/Dockerfile:2", "hit-remote", 0.0),
        Transfer("pull", "debian", 100, 3_000_000),
        Transfer("pull", "debian", 3_000_000, 3_000_000, finished=True),
        StepStarted(*run),
        StepOutput("s2", 1, b"cc -o a a.c\nhalf"),
        StepOutput("s2", 2, b"\x1b[31mwarning: old\x1b[0m\n"),
        StepOutput("s2", 1, b" a line\nno newline"),
        StepFinished(*run, "ran", 3.2, key="sha256:k2"),
        TargetFinished("api", DIGEST, ("acme/api",), 2, 1, 3.3, 12_000_000),
        Published("acme/api:1", DIGEST, moved=True),
        Published("acme/base:1", DIGEST, moved=False),
        Message("warning", "cache is down"),
        Message("debug", "details"),
        RunFinished(ok=True, seconds=3.4, ran=1, hits=2, skipped=0),
    ]


def bad(dockerfile: Path) -> list[Event]:
    """One image, whose step prints 60 lines and fails."""
    dockerfile.write_text("FROM base\nRUN true\nRUN make all\n")
    run = ("s1", "api", "final", "RUN make all", f"{dockerfile}:3")
    output = "".join(f"line {number}\n" for number in range(60))
    return [
        RunStarted(("api",), 2, 2),
        StepStarted(*run),
        StepOutput("s1", 1, output.encode()),
        StepOutput("s1", 2, b"the end"),
        StepFinished(*run, "ran", 1.0, error="RUN failed: exit status 2"),
        TargetFinished("api", "", (), 2, 1, 1.0, error="a step failed"),
        RunFinished(ok=False, seconds=1.1, ran=0, hits=0, skipped=1),
    ]


def nothing_to_do() -> list[Event]:
    """One image, all of it cached."""
    return [
        RunStarted(("base",), 1, 2),
        StepFinished("s1", "base", "", "COPY . /", "base/Dockerfile:2", "hit-local", 0.0),
        TargetFinished("base", DIGEST, ("acme/base",), 1, 0, 0.01, 5_000_000),
        RunFinished(ok=True, seconds=0.12, ran=0, hits=1, skipped=0),
    ]
