"""A container as docker makes it, run by runc: fourteen capabilities, docker's filter."""

import json
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkbuild.sandbox.privileges import CAPABILITIES

SECCOMP = Path(__file__).parents[2] / "mkbuild/sandbox/seccomp.json"
_NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"),
)
_PLAIN = ["nosuid", "noexec", "nodev"]
_NEWUSER_AND_ALL = 0x7E020000
"""Flags of clone(2) that make namespaces: docker's profile allows clone without any of them."""


@dataclass
class Container:
    """A bundle's root filesystem, and what is mounted into it: target to source.

    ``user``: the id that the command gets; another than root's gets no capabilities at once, but
    what a setuid program may have. Not ``confined``: without docker's filter and masks.
    """

    bundle: Path
    mounts: Mapping[str, Path] = field(default_factory=dict)
    user: int = 0
    confined: bool = True

    def run(
        self, args: Sequence[str], env: Sequence[str], cwd: str = "/"
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the container's first process, to its end."""
        (self.bundle / "config.json").write_text(json.dumps(self._config(args, env, cwd)))
        name = f"mkbuild-test-{uuid.uuid4().hex[:12]}"
        return subprocess.run(
            ["runc", "run", "--bundle", str(self.bundle), name],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def _copies(self, files: Mapping[str, Path]) -> dict[str, Path]:
        """Copy files of the machine for the container, which may write to them."""
        copies = {target: self.bundle / Path(target).name for target in files}
        for target, copy in copies.items():
            copy.write_bytes(files[target].read_bytes())
        return copies

    def _config(self, args: Sequence[str], env: Sequence[str], cwd: str) -> dict[str, Any]:
        assert len(_NAMES) == CAPABILITIES.bit_count()
        capabilities = [f"CAP_{name}" for name in _NAMES]
        # docker puts files of its own on these
        network = {path: Path(path) for path in ("/etc/hosts", "/etc/resolv.conf")}
        binds = [
            {"destination": target, "type": "bind", "source": str(source), "options": ["rbind"]}
            for target, source in {**self._copies(network), **self.mounts}.items()
        ]
        kernel = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {
                "destination": "/dev",
                "type": "tmpfs",
                "source": "tmpfs",
                "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
            },
            {
                "destination": "/sys",
                "type": "none",
                "source": "/sys",
                "options": ["rbind", "ro", *_PLAIN],
            },
        ]
        held = () if self.user else ("effective", "permitted")
        filtered = {
            "seccomp": _seccomp(),
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
        }
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": self.user, "gid": self.user},
                "args": list(args),
                "env": list(env),
                "cwd": cwd,
                "capabilities": dict.fromkeys(("bounding", *held), capabilities),
                "noNewPrivileges": False,
            },
            "root": {"path": "rootfs"},
            "mounts": [*kernel, *binds],
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                **(filtered if self.confined else {}),
            },
        }


def _seccomp() -> dict[str, Any]:
    """Return docker's profile for these capabilities, as the runtime spec wants it."""
    allowed = json.loads(SECCOMP.read_bytes())["allow"]
    clone = {"index": 0, "value": _NEWUSER_AND_ALL, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [
            {
                "names": [*allowed, "personality", "socket", "mknod", "mknodat", "chroot"],
                "action": "SCMP_ACT_ALLOW",
            },
            {"names": ["clone"], "action": "SCMP_ACT_ALLOW", "args": [clone]},
            {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38},
        ],
    }


def unpack(layout: Path, tag: str, place: Path) -> Path:
    """Unpack an image of an OCI layout with umoci; returns the bundle."""
    bundle = place / "bundle"
    command = ["umoci", "unpack", "--image", f"{layout}:{tag}", str(bundle)]
    subprocess.run(command, check=True, capture_output=True)
    return bundle


@contextmanager
def copied(bundle: Path, mounts: Mapping[str, Path]) -> Iterator[Container]:
    """Make a container of a copy of a bundle, which goes in the end."""
    with tempfile.TemporaryDirectory(prefix="mkbuild-test-container-") as place:
        copy = Path(place) / "bundle"
        subprocess.run(["cp", "-a", str(bundle), str(copy)], check=True)
        yield Container(copy, mounts)
