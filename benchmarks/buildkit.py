"""BuildKit: its daemon, buildctl for single images, buildx bake for fleets where it is there."""

import json
import os
import shlex
import subprocess
import time
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.tools import PATH, Job, each_line, first_line, remove, write, write_lines


class BuildKit:
    """buildkitd as root, on its overlayfs snapshotter, with RUN in Debian's runc.

    The daemon is started before anything is measured, and stays warm from then on.
    """

    name = "buildkit"
    fleets = True

    def __init__(self, place: Path, programs: Path, buildx: Path | None = None) -> None:
        """Use a directory with ``buildkitd`` and ``buildctl``."""
        self._place = place
        self._buildctl = programs / "buildctl"
        self._buildkitd = programs / "buildkitd"
        self._buildx = buildx
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def daemon(self) -> int | None:
        """The process of buildkitd."""
        return self._process.pid if self._process else None

    @property
    def _address(self) -> str:
        return f"unix://{self._place}/socket"

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": PATH,
            "HOME": str(self._place),
            "BUILDX_CONFIG": str(self._place / "buildx"),
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }

    def version(self) -> str:
        """Return what the daemon says, and buildx."""
        shown = [first_line([str(self._buildkitd), "--version"])]
        shown += [first_line([str(self._buildx), "version"])] if self._buildx else []
        return ", ".join(shown)

    def reset(self) -> None:
        """Start a daemon on an empty store."""
        self.close()
        remove(self._place)
        self._place.mkdir(parents=True)
        config = self._place / "config.toml"
        config.write_text("[worker.oci]\ngc = false\n")
        argv = [str(self._buildkitd), "--config", str(config), "--addr", self._address]
        with (self._place / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*argv, "--root", str(self._place / "root")],
                stdout=log,
                stderr=log,
                env=self._environment,
            )
        self._wait()
        if self._buildx:
            create = [str(self._buildx), "create", "--name", "bench", "--driver", "remote"]
            subprocess.run(
                [*create, self._address], check=True, capture_output=True, env=self._environment
            )

    def _wait(self) -> None:
        while subprocess.run(
            [str(self._buildctl), "--addr", self._address, "debug", "workers"],
            check=False,
            capture_output=True,
        ).returncode:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError((self._place / "log").read_text()[-2000:])
            time.sleep(0.05)

    def prepare(self, job: Job) -> None:
        """Write a bake file, or the commands of the images."""
        if self._bakes(job):
            write(self._place / "bake.json", json.dumps(self._bake(job)))
        else:
            write_lines(self._place / "commands", (self._line(job, image) for image in job.images))

    def _bakes(self, job: Job) -> bool:
        return self._buildx is not None and len(job.images) > 1

    def _bake(self, job: Job) -> dict[str, object]:
        output = ["type=image,push=true,registry.insecure=true"] if job.push else ["type=cacheonly"]
        targets = {
            image: {
                "context": str(job.workspace / image),
                "tags": [job.reference(image)],
                "output": output,
            }
            for image in job.images
        }
        return {"group": {"default": {"targets": list(job.images)}}, "target": targets}

    def _line(self, job: Job, image: str) -> str:
        context = job.workspace / image
        argv = [str(self._buildctl), "--addr", self._address, "build", "--progress", "plain"]
        argv += ["--frontend", "dockerfile.v0"]
        argv += ["--local", f"context={context}", "--local", f"dockerfile={context}"]
        if job.push:
            name = job.reference(image)
            argv += ["--output", f"type=image,name={name},push=true,registry.insecure=true"]
        if job.cache:
            cache = f"type=registry,ref={job.registry}/{job.cache},registry.insecure=true"
            argv += ["--import-cache", cache, "--export-cache", f"{cache},mode=max"]
        return shlex.join(argv)

    def command(self, job: Job) -> Command:
        """Bake a fleet, or run buildctl."""
        if self._bakes(job):
            argv = [str(self._buildx), "bake", "--builder", "bench", "--progress", "plain"]
            argv += ["-f", str(self._place / "bake.json")]
            return Command([*argv], job.workspace, self._environment)
        return each_line(self._place / "commands", job.workspace, self._environment)

    def close(self) -> None:
        """End the daemon."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def find_programs(given: Path | None) -> Path | None:
    """Return the directory with both programs: given (or one of them), or found on PATH."""
    places = [given, given.parent] if given else map(Path, os.get_exec_path())
    for place in places:
        if (place / "buildkitd").is_file() and (place / "buildctl").is_file():
            return place.resolve()
    return None
