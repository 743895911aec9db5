"""The static image, built by this project and run by runc as docker runs it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.bases import bases
from tests.support.command import ROOT, Mkbuild, registries
from tests.support.container import Container, copied, unpack

MODIFYFS = ("--sandbox", "modifyfs", "--modifyfs")
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""What PyPI is reached with here."""


def build_static(place: Path) -> Path:
    """Build the static image and unpack it; returns the bundle."""
    return build_own(place, "docker/static/Dockerfile")


def build_own(place: Path, dockerfile: str) -> Path:
    """Build an image of this project and unpack it. The store stays from run to run."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    tool = Mkbuild(ROOT, cache / "mkbuild-static-store", registries(place))
    out = place / "out"
    output = f"type=oci,dest={out},tar=false"
    args = ["-f", dockerfile, "-t", "own:latest", "-o", output]
    done = tool.run("build", ".", *args, "--secret", f"id=ca,src={CERTIFICATES}")
    assert done.returncode == 0, done.stderr
    names = json.loads((out / "index.json").read_bytes())["manifests"]
    return unpack(out, names[0]["annotations"]["org.opencontainers.image.ref.name"], place)


@dataclass
class Static:
    """A container of the static image: ``work`` is mounted at /io, the bases at /bases."""

    container: Container
    work: Path

    @property
    def rootfs(self) -> Path:
        """The container's root, seen from outside."""
        return self.container.bundle / "rootfs"

    def command(self, *args: str) -> tuple[list[str], list[str]]:
        """Return a command line of mkbuild in the container, and its environment."""
        image = json.loads((self.container.bundle / "config.json").read_bytes())["process"]
        words = image["args"][: image["args"].index("mkbuild") + 1]
        given = ["--storage", "/io/store"]
        if args[0] == "build":
            given += ["--registries", "/io/registries.json"]
        return [*words, *args, *given], image["env"]

    def run(self, *args: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
        """Run mkbuild as the container's first process, to its end."""
        command, env = self.command(*args)
        return self.container.run(command, env, cwd)


@contextmanager
def static_container(bundle: Path, work: Path) -> Iterator[Static]:
    """Make a container of the image; its registry settings are written to ``work``."""
    mirror = "oci-layout:/bases"
    (work / "registries.json").write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    with copied(bundle, {"/io": work, "/bases": bases("busybox", "debian")}) as made:
        yield Static(made, work)
