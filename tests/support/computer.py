"""A computer that builds: mkbuild within the test process, with a store of its own."""

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

from mkbuild.cli.build import command
from mkbuild.cli.common import take_common
from mkbuild.cli.request import make_request
from mkbuild.engine.build import build
from mkbuild.engine.request import BuildRequest
from mkbuild.events import Event, Message, Published, StepFinished, TargetFinished
from mkbuild.progress.recorder import Recorder
from tests.support.bases import bases


@dataclass(frozen=True)
class Built:
    """What a build reported."""

    steps: Mapping[str, str]
    """Status by instruction, of all images."""
    digests: Mapping[str, str]
    """Digest by target."""
    warnings: tuple[str, ...]
    published: tuple[Published, ...]
    seconds: float

    def ran(self) -> set[str]:
        """Return the instructions that ran."""
        return {text for text, status in self.steps.items() if status == "ran"}

    @property
    def digest(self) -> str:
        """Return the digest of the only image."""
        (digest,) = self.digests.values()
        return digest


@dataclass
class Computer:
    """Builds with arguments as on a command line; ``store`` is its own, all else is shared.

    ``registries``: settings as ``--registries`` takes them, besides docker.io's mirror.
    """

    store: Path
    flags: tuple[str, ...] = ()
    registries: Mapping[str, object] = field(default_factory=dict)
    bases: tuple[str, ...] = ("busybox",)

    def request(self, directory: Path, *args: str) -> BuildRequest:
        """Read arguments as they are given in a directory."""
        self.store.mkdir(parents=True, exist_ok=True)
        settings = self.store / "registries.json"
        mirrors = {"docker.io": {"mirrors": [f"oci-layout:{bases(*self.bases)}"]}}
        settings.write_text(json.dumps({**mirrors, **self.registries}))
        given = [*args, *self.flags, "--storage", str(self.store / "mkbuild")]
        if "--registries" not in given:
            given += ["--registries", str(settings)]
        with chdir(directory):
            context = command.make_context("build", given)
            params = dict(context.params)
            for name in ("list_only", "print_only"):
                params.pop(name)
            return make_request(take_common(params), params.pop("selection"), params, os.environ)

    def build(
        self, directory: Path, *args: str, when: Callable[[Event], None] | None = None
    ) -> Built:
        """Build; raises MkbuildError. ``when`` is told of each event as it happens."""
        recorder = _Observed(when)
        started = time.monotonic()
        assert build(self.request(directory, *args), recorder) == 0
        events = [event for _, event in recorder.events]
        return Built(
            {e.instruction: e.status for e in events if isinstance(e, StepFinished)},
            {e.target: e.digest for e in events if isinstance(e, TargetFinished)},
            tuple(e.text for e in events if isinstance(e, Message) and e.level == "warning"),
            tuple(e for e in events if isinstance(e, Published)),
            time.monotonic() - started,
        )


class _Observed(Recorder):
    def __init__(self, when: Callable[[Event], None] | None) -> None:
        super().__init__(time.monotonic)
        self._when = when

    def emit(self, event: Event) -> None:
        super().emit(event)
        if self._when is not None:
            self._when(event)


def write(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files into a directory, with usual modes whatever the umask is; returns it."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
    return directory
