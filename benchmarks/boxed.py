"""kaniko and Makisu, which take over the filesystem that they run on: each run in a box.

The box is a directory with little more than the program in it, made anew before each run, as each
run of theirs has a container of its own. What is mounted there they leave alone: /etc/hosts too, or
kaniko removes it between two stages.
"""

import shlex
import shutil
import uuid
from pathlib import Path

from benchmarks.measure import Command
from benchmarks.tools import PATH, Job, first_line, remove

_ENTER = """\
set -e
for name in null zero random urandom full; do
    touch dev/$name
    mount --bind /dev/$name dev/$name
done
mount -t proc proc proc
mount --bind etc/hosts etc/hosts
mount --bind {context} workspace
mount --bind {keep} keep
exec chroot . {program}
"""


class _Boxed:
    name = ""
    daemon = None
    fleets = False
    _inside = ""

    def __init__(self, place: Path, program: Path) -> None:
        self._box = place / "box"
        self._keep = place / "keep"
        self._program = program.resolve()

    def version(self) -> str:
        """Return what it says of its version."""
        return first_line([str(self._program), "version"]) or self.name

    def reset(self) -> None:
        """Forget what outlives a run."""
        remove(self._keep)
        self._keep.mkdir(parents=True)

    def prepare(self, job: Job) -> None:  # noqa: ARG002 - every job gets the same box
        """Make the box anew."""
        remove(self._box)
        for name in ("dev", "proc", "etc", "tmp", "workspace", "keep"):
            (self._box / name).mkdir(parents=True)
        (self._box / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
        (self._box / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        inside = self._box / self._inside.strip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(self._program, inside)

    def command(self, job: Job) -> Command:
        """Enter the box, with the context of the only image of the job at /workspace."""
        (image,) = job.images
        script = _ENTER.format(
            context=shlex.quote(str(job.workspace / image)),
            keep=shlex.quote(str(self._keep)),
            program=shlex.join([self._inside, *self._arguments(job, image)]),
        )
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]
        return Command(enter, self._box, {"PATH": PATH, "HOME": "/", "container": "docker"})

    def _arguments(self, job: Job, image: str) -> list[str]:
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to end."""


class Kaniko(_Boxed):
    """kaniko's executor; its cache of layers is a repository of the registry."""

    name = "kaniko"
    _inside = "/kaniko/executor"

    def __init__(self, place: Path, program: Path) -> None:
        super().__init__(place, program)
        self._cache = ""

    def reset(self) -> None:
        """Use a new cache."""
        super().reset()
        self._cache = f"kaniko-cache/{uuid.uuid4().hex}"

    def _arguments(self, job: Job, image: str) -> list[str]:
        cache = f"{job.registry}/{job.cache or self._cache}"
        output = ["--destination", job.reference(image)] if job.push else ["--no-push"]
        flags = ["--force", "--insecure", "--insecure-pull", "--insecure-registry", job.registry]
        flags += ["--cache=true", "--cache-copy-layers", "--cache-repo", cache]
        return ["--context", "dir:///workspace", *output, *flags]


class Makisu(_Boxed):
    """Makisu in modifyfs mode, its storage outside of the box."""

    name = "makisu"
    _inside = "/makisu-internal/makisu"

    def _arguments(self, job: Job, image: str) -> list[str]:
        plain = '{"security": {"tls": {"client": {"disabled": true}}}}'
        arguments = ["build", "-t", f"{job.repositories}/{image}:latest", "--modifyfs"]
        arguments += ["--storage", "/keep/storage"]
        arguments += ["--registry-config", f'{{"{job.registry}": {{".*": {plain}}}}}']
        arguments += ["--push", job.registry] if job.push else []
        return [*arguments, "/workspace"]
