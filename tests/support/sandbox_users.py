"""Starts the sandbox driver as different users, and makes root file systems for it."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUSYBOX = "/bin/busybox"
UID = 54321
APPLETS = [
    "sh",
    "ls",
    "cat",
    "id",
    "mount",
    "ps",
    "env",
    "stat",
    "df",
    "touch",
    "mkdir",
    "rmdir",
    "mknod",
    "sleep",
    "echo",
    "grep",
    "chown",
    "chmod",
    "true",
    "hostname",
    "ln",
    "rm",
    "find",
    "readlink",
    "setsid",
    "seq",
    "kill",
    "test",
    "dd",
    "ip",
    "wc",
    "tr",
    "sync",
]

_AS_USER = """
set -e
mount --make-rprivate /
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/subid" /etc/subuid
mount --bind "$1/subid" /etc/subgid
shift
exec setpriv --reuid {uid} --regid {uid} --clear-groups "$@"
"""


def require(condition: object, reason: str) -> None:
    if not condition:
        pytest.skip(reason)


def busybox_root(place: Path) -> Path:
    """Make a root file system of one static busybox."""
    require(Path(BUSYBOX).exists(), "needs busybox-static")
    (place / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, place / "bin/busybox")
    for applet in APPLETS:
        (place / "bin" / applet).symlink_to("busybox")
    place.chmod(0o755)
    return place


def host_root(place: Path) -> Path:
    """Make a root file system that shows the host's /usr when that is bound: it has a Python."""
    merged = Path("/bin").is_symlink() and Path("/usr/bin/python3").exists()
    require(merged, "needs a merged /usr with /usr/bin/python3")
    place.mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            (place / name).symlink_to(f"usr/{name}")
    place.chmod(0o755)
    return place


HOST_USR: dict[str, object] = {"type": "bind", "target": "/usr", "source": "/usr"}


@dataclass
class Result:
    """What a RUN gave: status, lossy, output, or the text of an error."""

    status: int = -1
    lossy: bool = False
    out: str = ""
    err: str = ""
    error: str = ""


@dataclass
class User:
    """Somebody who runs sandboxes: ``root``, ``ranges`` or ``one-id``."""

    mode: str
    place: Path
    chroot: bool = False
    count: int = field(default=0)

    def spec(self, lower: Path, script: str | list[str], **spec: Any) -> dict[str, Any]:
        self.count += 1
        upper, work = self.place / f"upper{self.count}", self.place / f"work{self.count}"
        for directory in (upper, work):
            directory.mkdir()
            self.own(directory)
        argv = ["/bin/sh", "-ec", script] if isinstance(script, str) else script
        spec.setdefault("env", {"PATH": "/bin"})
        if self.chroot:
            return {"argv": argv, "tree": str(lower), "work": str(work), **spec}
        spec.setdefault("lowers", [str(lower)])
        self.own_tree(lower)
        return {"argv": argv, "upper": str(upper), "work": str(work), **spec}

    @property
    def upper(self) -> Path:
        """The last RUN's upper directory."""
        return self.place / f"upper{self.count}"

    def own(self, path: Path) -> Path:
        if self.mode != "root":
            os.chown(path, UID, UID)
        return path

    def directory(self, path: Path) -> Path:
        path.mkdir()
        return self.own(path)

    def own_tree(self, top: Path) -> None:
        """Give a tree to the user, where it is not theirs: that takes setuid bits away."""
        for path in (top, *top.rglob("*")) if self.mode != "root" else ():
            if path.lstat().st_uid != UID:
                os.chown(path, UID, UID, follow_symlinks=False)

    def command(self) -> list[str]:
        driver = str(ROOT / "tests/support/sandbox_driver.py")
        python = sys.executable if self.mode == "root" else public_python()
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import runpy; "
        code += f"sys.argv[0] = {driver!r}; runpy.run_path({driver!r}, run_name='__main__')"
        command = [python, "-B", "-c", code, *["--chroot"] * self.chroot]
        if self.mode == "root":
            return command
        subid = f"tester:{200000}:65536\n" if self.mode == "ranges" else ""
        (self.place / "subid").write_text(subid)
        passwd = Path("/etc/passwd").read_text() + f"tester:x:{UID}:{UID}::/:/bin/sh\n"
        (self.place / "passwd").write_text(passwd)
        script = _AS_USER.format(uid=UID)
        return ["unshare", "-m", "sh", "-c", script, "sh", str(self.place), *command]

    def run_all(self, specs: list[dict[str, Any]]) -> list[Result]:
        done = subprocess.run(
            self.command(), input=encode(specs), capture_output=True, check=False, cwd="/"
        )
        assert done.returncode == 0, done.stderr.decode()
        first, *rest = json.loads(done.stdout)
        assert first["mode"] == self.mode, first
        return [Result(**r) for r in rest]

    def run(self, lower: Path, script: str | list[str], **spec: Any) -> Result:
        [result] = self.run_all([self.spec(lower, script, **spec)])
        return result


def encode(specs: list[dict[str, Any]]) -> bytes:
    def default(value: object) -> str:
        assert isinstance(value, bytes)
        return base64.b64encode(value).decode()

    return json.dumps(specs, default=default).encode()


def public_python() -> str:
    """Return an interpreter that other users can start, too."""
    for candidate in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        if not Path(candidate).exists():
            continue
        probe = "import sys; sys.exit(sys.version_info < (3, 11))"
        # setpriv itself executes with root's capabilities: the shell in between has none
        user = ["setpriv", "--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        command = [*user, "sh", "-c", '"$0" -c "$1"', candidate, probe]
        if not subprocess.run(command, capture_output=True, check=False).returncode:
            return candidate
    pytest.skip("no Python 3.11 that an unprivileged user can start")


def make_user(mode: str, place: Path, *, chroot: bool = False) -> User:
    require(os.geteuid() == 0, "needs root")
    if mode != "root":
        require(shutil.which("setpriv"), "needs setpriv")
        require(shutil.which("newuidmap") or mode != "ranges", "needs newuidmap")
    return User(mode, place, chroot)


def public_directory() -> Iterator[Path]:
    """Give a directory that other users can reach: pytest takes that right from its own."""
    with tempfile.TemporaryDirectory(prefix="mkbuild-test-", dir="/tmp") as place:
        Path(place).chmod(0o755)
        yield Path(place)
