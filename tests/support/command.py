"""Runs mkbuild in a process of its own, as users do, with bases made here."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.bases import bases

ROOT = Path(__file__).parents[2]
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}


def registries(place: Path, *, copied: bool = False) -> Path:
    """Write registry settings under which Docker Hub is the bases of the tests.

    ``copied``: the bases lie in ``place`` as well, for those who may not look into our home.
    """
    file = place / "registries.json"
    found = bases("busybox", "debian")
    if copied:
        found = Path(shutil.copytree(found, place / "bases"))
    mirror = f"oci-layout:{found}"
    file.write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    file.chmod(0o644)
    return file


@dataclass
class Mkbuild:
    """A command line: where it runs, on which store; ``prefix`` starts it as somebody else."""

    directory: Path
    storage: Path
    registries: Path | None = None
    prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, *args: str) -> list[str]:
        """Return the whole command line."""
        ours = ["--storage", str(self.storage)]
        if self.registries is not None:
            ours += ["--registries", str(self.registries)]
        at = args.index("--") if "--" in args else len(args)
        return [*self.prefix, sys.executable, "-m", "mkbuild", *args[:at], *ours, *args[at:]]

    @property
    def env(self) -> dict[str, str]:
        """Return the environment of the command."""
        return {**CLEAN, "PYTHONPATH": str(ROOT), **self.environment}

    def run(self, *args: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
        """Run to the end; output is captured."""
        return subprocess.run(
            self.command(*args),
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            umask=umask,
        )

    def interrupt(self, *args: str, at: str) -> subprocess.CompletedProcess[str]:
        """Send SIGINT as soon as a line of standard error holds a text; returns how it ended."""
        command = self.command(*args)
        with subprocess.Popen(
            command, cwd=self.directory, env=self.env, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            assert any(at in line for line in process.stderr)
            process.send_signal(signal.SIGINT)
            rest = process.stderr.read()
        return subprocess.CompletedProcess(command, process.returncode, "", rest)

    def build(self, *args: str, umask: int = 0o022) -> dict[str, Any]:
        """Build, which must succeed; returns the metadata, by target."""
        number = len(list(self.directory.parent.glob("metadata-*.json")))
        report = self.directory.parent / f"metadata-{os.getpid()}-{number}.json"
        done = self.run("build", *args, "--metadata-file", str(report), umask=umask)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(report.read_text())
        return found


def digests(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return the digest of each target."""
    return {label: target["containerimage.digest"] for label, target in metadata.items()}


def ran(metadata: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the instructions that ran, of each target that had some."""
    found = {
        label: [s["instruction"] for s in target["steps"] if s["status"] == "ran"]
        for label, target in metadata.items()
    }
    return {label: steps for label, steps in found.items() if steps}
