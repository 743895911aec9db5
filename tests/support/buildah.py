"""buildah as a second opinion: what it makes of a Dockerfile, in a store of its own."""

import subprocess
from pathlib import Path

from tests.support import images
from tests.support.bases import bases


class Buildah:
    """Debian's buildah with its own storage; ``docker.io/library/busybox`` is the tests' base."""

    def __init__(self, place: Path) -> None:
        """Use an empty directory."""
        self._place = place
        self._count = 0
        layout = bases("busybox") / "library" / "busybox"
        store = f"[vfs@{place}/root+{place}/run]"
        into = f"containers-storage:{store}docker.io/library/busybox:stable"
        command = ["skopeo", "copy", "-q", f"oci:{layout}:latest", into]
        subprocess.run(command, check=True, capture_output=True)

    def _run(self, *args: str) -> str:
        command = ["buildah", "--root", str(self._place / "root")]
        command += ["--runroot", str(self._place / "run"), "--storage-driver", "vfs", *args]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BuildahError(done.stderr)
        return done.stdout

    def build(self, context: Path) -> images.Image:
        """Build a context's Dockerfile; raises BuildahError."""
        self._count += 1
        name = f"localhost/fuzz:{self._count}"
        flags = ("--isolation", "chroot", "--format", "oci", "--pull-never", "--layers=false")
        self._run("bud", *flags, "-q", "-t", name, str(context))
        out = self._place / f"out{self._count}"
        self._run("push", "-q", name, f"oci:{out}:x")
        self._run("rmi", "-f", name)
        return images.load(out)


class BuildahError(Exception):
    """buildah ended with an error."""
