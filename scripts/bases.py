#!/usr/bin/env python3
"""Makes the base images of the examples and tests where there is no Docker Hub.

    scripts/bases.py DIRECTORY [busybox] [debian]

Below the directory there is one OCI layout per repository (``library/busybox``,
``library/debian``), as a mirror ``oci-layout:DIRECTORY`` of docker.io serves them. busybox is made
of Debian's busybox-static, debian by debootstrap (as root), from the mirror that this machine's own
apt is configured with. What is there already is left as it is; the result is the same each time for
the same packages. Standard library only.
"""

import fcntl
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

SUITE = "bookworm"
MADE = 1735689600
"""Times of what is made here: 2025-01-01."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"  # noqa: S105 - a file, no password
_GROUP = "root:x:0:\nnogroup:x:65534:\n"
_EMPTIED = re.compile(
    r"(dev|proc|sys|run|tmp|var/log|var/cache/apt|var/cache/debconf|var/lib/apt/lists|debootstrap)/."
    r"|debootstrap$|var/cache/ldconfig/|etc/(resolv\.conf|hostname|machine-id)$|\.dockerenv$"
)
_SHADOW_DAY = re.compile(rb"^([^:]*:[^:]*):\d+:", re.MULTILINE)


def make(directory: Path, names: Iterable[str] = ("busybox", "debian")) -> Path:
    """Make what is missing below a directory; returns it. One process at a time does the work."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in names:
            target = directory / "library" / name
            if not (target / "index.json").is_file():
                _publish(target, *_MAKERS[name]())
    return directory


def _publish(target: Path, layer: bytes, tags: tuple[str, ...], command: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        layout = Path(temporary) / "layout"
        write_layout(layout, layer, tags, command)
        shutil.rmtree(target, ignore_errors=True)
        layout.rename(target)


def write_layout(layout: Path, layer: bytes, tags: tuple[str, ...], command: str) -> None:
    """Write an OCI layout that holds one image of one (uncompressed) layer under some tags."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def encode(value: object) -> bytes:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(MADE))
    architecture = _ARCHITECTURES[platform.machine()]
    config = {
        "architecture": architecture,
        "config": {"Cmd": [command], "Env": [f"PATH={_PATH}"]},
        "created": created,
        "history": [{"created": created, "created_by": "scripts/bases.py"}],
        "os": "linux",
        "rootfs": {
            "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            "type": "layers",
        },
    }
    prefix = "application/vnd.oci.image"
    compressed = gzip.compress(layer, 6, mtime=0)
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{prefix}.manifest.v1+json",
        "config": {"mediaType": f"{prefix}.config.v1+json", **put(encode(config))},
        "layers": [{"mediaType": f"{prefix}.layer.v1.tar+gzip", **put(compressed)}],
    }
    entry = {
        "mediaType": f"{prefix}.manifest.v1+json",
        **put(encode(manifest)),
        "platform": {"architecture": architecture, "os": "linux"},
    }
    manifests = [
        {**entry, "annotations": {"org.opencontainers.image.ref.name": tag}} for tag in tags
    ]
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    index = {"schemaVersion": 2, "mediaType": f"{prefix}.index.v1+json", "manifests": manifests}
    (layout / "index.json").write_bytes(encode(index))


def _entry(name: str, mode: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.type, entry.mtime = mode, kind, MADE
    return entry


def _busybox() -> tuple[bytes, tuple[str, ...], str]:
    binary = Path(shutil.which("busybox") or "/bin/busybox")
    if not binary.is_file():
        sys.exit("busybox is missing: apt-get install busybox-static")
    applets = subprocess.run([binary, "--list"], check=True, capture_output=True, text=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add_file(name: str, data: bytes, mode: int) -> None:
            entry = _entry(name, mode)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))

        tar.addfile(_entry("bin", 0o755, tarfile.DIRTYPE))
        add_file("bin/busybox", binary.read_bytes(), 0o755)
        for applet in sorted(set(applets.stdout.split()) - {"busybox"}):
            entry = _entry(f"bin/{applet}", 0o777, tarfile.SYMTYPE)
            entry.linkname = "busybox"
            tar.addfile(entry)
        modes = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
        directories = ("dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "usr/bin")
        for name in (*directories, "usr/sbin", "var", "var/tmp"):
            tar.addfile(_entry(name, modes.get(name, 0o755), tarfile.DIRTYPE))
        add_file("etc/group", _GROUP.encode(), 0o644)
        add_file("etc/passwd", _PASSWD.encode(), 0o644)
        add_file("etc/shadow", b"root:*:20089:::::::\nnobody:*:20089:::::::\n", 0o640)
    return buffer.getvalue(), ("stable", "latest"), "sh"


def _debian() -> tuple[bytes, tuple[str, ...], str]:
    if os.geteuid() != 0:
        sys.exit("the debian base is made by debootstrap, which needs root")
    mirror, proxy = _apt_mirror()
    env = {**os.environ, **({"http_proxy": proxy} if proxy else {})}
    with tempfile.TemporaryDirectory(prefix="mkbuild-bases-") as temporary:
        root = Path(temporary) / "root"
        started = time.time()
        command = ["debootstrap", "--variant=minbase", SUITE, str(root), mirror]
        done = subprocess.run(command, env=env, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        _slim(root)
        tags = (f"{SUITE}-slim", SUITE, "stable-slim", "latest")
        return _archive(root, started), tags, "bash"


def _apt_mirror() -> tuple[str, str]:
    """Return the mirror that apt uses for the suite, and its proxy (empty: none)."""
    wanted = ["apt-get", "indextargets", "--format", "$(CODENAME) $(COMPONENT) $(REPO_URI)"]
    lines = subprocess.run(wanted, check=True, capture_output=True, text=True).stdout.splitlines()
    mirrors = [line.split()[2] for line in lines if line.startswith(f"{SUITE} main ")]
    if not mirrors:
        sys.exit(f"apt knows no mirror for {SUITE}; add one to /etc/apt/sources.list")
    dump = subprocess.run(
        ["apt-config", "dump", "--format=%v%n", "Acquire::http::Proxy"],
        check=True,
        capture_output=True,
        text=True,
    )
    return mirrors[0], dump.stdout.strip()


def _slim(root: Path) -> None:
    """Take away what differs from run to run, and what Docker Hub's slim image lacks as well."""
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    for name in ("etc/shadow", "etc/shadow-"):
        file = root / name
        if file.exists():
            file.write_bytes(_SHADOW_DAY.sub(rb"\1:20089:", file.read_bytes()))


def _archive(root: Path, started: float) -> bytes:
    """Write a tree as a sorted tar; what is younger than the start gets a fixed time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(root))
            if _EMPTIED.match(name):
                continue
            entry = tar.gettarinfo(path, name)
            entry.uname = entry.gname = ""
            entry.mtime = MADE if entry.mtime >= int(started) - 1 else int(entry.mtime)
            if entry.isreg():
                with path.open("rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    return buffer.getvalue()


_MAKERS: dict[str, Callable[[], tuple[bytes, tuple[str, ...], str]]] = {
    "busybox": _busybox,
    "debian": _debian,
}

if __name__ == "__main__":
    if len(sys.argv) < 2 or set(sys.argv[2:]) - set(_MAKERS):  # noqa: PLR2004 - no argument
        sys.exit(__doc__)
    print(make(Path(sys.argv[1]), sys.argv[2:] or _MAKERS))
