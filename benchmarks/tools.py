"""What is measured: mkbuild, and its peers that need no daemon.

Each tool turns a job into one command; what has to be written or emptied before is not measured.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.measure import Command

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_AT_ONCE = 2 * (os.cpu_count() or 1)
"""How many images of a fleet the tools that know one image only build side by side."""


@dataclass(frozen=True, slots=True)
class Job:
    """Images to build: each lies in a directory of the workspace that has its name."""

    workspace: Path
    images: tuple[str, ...]
    registry: str
    """``localhost:PORT``"""
    repositories: str
    """What the names of the repositories begin with; new for every tool and round."""
    push: bool = True
    cache: str = ""
    """The repository of a cache that machines share; empty for none."""
    compression: str = ""
    """As mkbuild's flag; empty for each tool's default."""

    def reference(self, image: str) -> str:
        """Return the name under which an image is pushed."""
        return f"{self.registry}/{self.repositories}/{image}:latest"


class Tool(Protocol):
    """Something that builds images; its store is below a directory of its own."""

    name: str
    fleets: bool
    """Whether it can be given several images."""

    def version(self) -> str:
        """Return what it says of its version."""

    def reset(self) -> None:
        """Forget everything, as a fresh machine."""

    def prepare(self, job: Job) -> None:
        """Write what the command reads; touches nothing that is as it should be."""

    def command(self, job: Job) -> Command:
        """Return the command that does the job."""

    @property
    def daemon(self) -> int | None:
        """The process that does the work of the commands, if there is one."""

    def close(self) -> None:
        """End what was started."""


class Mkbuild:
    """mkbuild as installed beside the Python that runs the harness, or another checkout's."""

    daemon = None
    fleets = True

    def __init__(self, place: Path, program: Path | None = None, name: str = "mkbuild") -> None:
        self.name = name
        self._program = program or Path(sys.executable).with_name("mkbuild")
        # Its own: what is written anew for each of two would never be unchanged.
        self._build_file = f"BUILD.{name}.yaml"
        self._store = place / "store"
        self._home = place / "home"

    def version(self) -> str:
        """Return the version and what git calls the commit."""
        root = Path(__file__).parents[1] if self.name == "mkbuild" else self._program.parents[2]
        shown = first_line([str(self._program), "version"])
        commit = first_line(["git", "-C", str(root), "describe", "--always", "--dirty"])
        return f"{shown} ({commit})"

    def reset(self) -> None:
        """Remove the store."""
        remove(self._store)
        remove(self._home)
        self._home.mkdir(parents=True)

    def prepare(self, job: Job) -> None:
        """Write the build file."""
        lines = ["version: 1", "images:"]
        lines += [
            f"  {image}: {{context: {image}, tags: ['{job.reference(image)}']}}"
            for image in job.images
        ]
        if job.cache:
            cache = f"{job.registry}/{job.cache}"
            lines += [f"cache: {{remotes: [{{type: registry, ref: '{cache}'}}]}}"]
        write(job.workspace / self._build_file, "\n".join(lines) + "\n")

    def command(self, job: Job) -> Command:
        """Build all images of the workspace."""
        argv = [str(self._program), "build", "-f", self._build_file, "--storage", str(self._store)]
        argv += ["--push"] if job.push else []
        argv += [f"--compression={job.compression}"] if job.compression else []
        return Command(argv, job.workspace, {"PATH": PATH, "HOME": str(self._home)})

    def close(self) -> None:
        """There is nothing to end."""


class Buildah:
    """buildah, or podman, which is buildah below; on overlay, with its cache of layers.

    RUN is isolated by chroot: of its isolations the one that starts no container runtime.
    """

    daemon = None
    fleets = True

    def __init__(self, place: Path, name: str = "buildah") -> None:
        self.name = name
        self._place = place
        self._start = [name, "--root", str(place / "root"), "--runroot", str(place / "run")]
        self._start += ["--storage-driver", "overlay"]

    def version(self) -> str:
        """Return what it says."""
        return first_line([self.name, "--version"])

    def reset(self) -> None:
        """Remove the store, and the mounts that it keeps."""
        unmount_below(self._place)
        remove(self._place)
        self._place.mkdir(parents=True)

    def prepare(self, job: Job) -> None:
        """Write the commands of the images."""
        write_lines(self._place / "commands", map(self._line(job), job.images))

    def _line(self, job: Job) -> Callable[[str], str]:
        verb = "bud" if self.name == "buildah" else "build"
        flags = ["--isolation", "chroot", "--layers", "--jobs", str(_AT_ONCE), "--tls-verify=false"]
        if job.cache:
            cache = f"{job.registry}/{job.cache}"
            flags += ["--cache-from", cache, "--cache-to", cache]

        def line(image: str) -> str:
            name = job.reference(image)
            build = [*self._start, verb, *flags, "-q", "-t", name, str(job.workspace / image)]
            push = [*self._start, "push", "-q", "--tls-verify=false", name]
            return " && ".join(map(shlex.join, [build, push] if job.push else [build]))

        return line

    def command(self, job: Job) -> Command:
        """Run the commands of the images side by side."""
        environment = {"PATH": PATH, "HOME": str(self._place)}
        return each_line(self._place / "commands", job.workspace, environment)

    def close(self) -> None:
        """There is nothing to end."""


def each_line(commands: Path, directory: Path, environment: dict[str, str]) -> Command:
    """Run the lines of a file as shell commands, some at a time; fails where one fails."""
    argv = ["xargs", "-a", str(commands), "-d", "\n", "-P", str(_AT_ONCE), "-I", "{}"]
    return Command([*argv, "sh", "-c", "{}"], directory, environment)


def write_lines(file: Path, lines: Iterable[str]) -> None:
    """Write lines to a file."""
    write(file, "".join(f"{line}\n" for line in lines))


def write(file: Path, text: str) -> None:
    """Write a file, unless it says that already: a file that is written anew has changed."""
    if not file.exists() or file.read_text() != text:
        file.write_text(text)


def unmount_below(directory: Path) -> None:
    """Unmount whatever is mounted below a directory."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed(mounts):
        if Path(mount).is_relative_to(directory):
            subprocess.run(["umount", "--lazy", mount], check=True)


def remove(directory: Path) -> None:
    """Remove a tree, if there is one."""
    if directory.exists():
        shutil.rmtree(directory)


def first_line(argv: list[str]) -> str:
    """Return the first line that a command prints; empty where it fails."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    return next(iter(done.stdout.splitlines()), "") if done.returncode == 0 else ""
