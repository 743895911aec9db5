"""A static arm64 busybox of Debian's, fetched without telling this machine's own apt of it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def busybox() -> Path:
    """Return the binary, fetched once a machine; skips where Debian's mirror is out of reach."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    binary = Path(home) / "mkbuild-bases" / "busybox-arm64"
    if not binary.exists():
        if not _SOURCES.exists() or not shutil.which("apt-get"):
            pytest.skip("needs apt with Debian's sources")
        binary.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as place:
            _fetch(Path(place), binary)
    return binary


def _fetch(place: Path, binary: Path) -> None:
    for name in ("lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True)
    (place / "status").touch()
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::Cache": place / "cache",
        "Dir::Etc::SourceList": _SOURCES,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State::Lists": place / "lists",
        "Dir::State::Status": place / "status",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in options.items())]
    for verb in (["update"], ["download", "busybox-static:arm64"]):
        done = subprocess.run([*apt, *verb], cwd=place, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no arm64 package to be had: {done.stderr[-300:]}")
    (package,) = place.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, place / "root"], check=True)
    (found,) = (*place.glob("root/bin/busybox"), *place.glob("root/usr/bin/busybox"))
    shutil.copy(found, f"{binary}.new")
    Path(f"{binary}.new").rename(binary)
