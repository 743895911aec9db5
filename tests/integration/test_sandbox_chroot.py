"""The chroot sandbox: with mount rights, and with mounts emulated where there are none."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.sandbox_users import ROOT, Result, busybox_root, encode

pytestmark = pytest.mark.root

WITHOUT_MOUNTS = ["capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"']

Run = Callable[..., Result]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return busybox_root(tmp_path / "tree")


@pytest.fixture(params=["mounted", "emulated"])
def run(request: pytest.FixtureRequest, tmp_path: Path, tree: Path) -> Run:
    prefix = WITHOUT_MOUNTS if request.param == "emulated" else []
    if prefix and not shutil.which("capsh"):
        pytest.skip("needs capsh (libcap2-bin)")
    driver = str(ROOT / "tests/support/sandbox_driver.py")

    def call(script: str, **spec: object) -> Result:
        work = tmp_path / "work"
        work.mkdir(exist_ok=True)
        argv = ["/bin/sh", "-ec", script]
        raw = {"argv": argv, "env": {"PATH": "/bin"}, "tree": str(tree), "work": str(work), **spec}
        done = subprocess.run(
            [*prefix, sys.executable, driver, "--chroot"],
            input=encode([raw]),
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr.decode()
        _, result = json.loads(done.stdout)
        # the caller removes the work directory; nothing that could be secret lies in it
        assert {path.name.partition(".")[2] for path in work.iterdir()} <= {"upper", "work"}
        return Result(**result)

    return call


def contents(tree: Path) -> dict[str, tuple[int, int, float]]:
    return {
        str(path.relative_to(tree)): (s.st_mode, s.st_ino, s.st_mtime)
        for path in (tree, *tree.rglob("*"))
        for s in [path.lstat()]
    }


def test_runs_in_the_tree(run: Run, tree: Path) -> None:
    result = run("echo hello; echo x > /new; echo bad >&2; exit 3")
    assert (result.status, result.out, result.err) == (3, "hello\n", "bad\n")
    assert (tree / "new").read_text() == "x\n"


def test_the_tree_is_as_it_was(run: Run, tree: Path, tmp_path: Path) -> None:
    (tree / "etc").mkdir()
    (tree / "etc/hosts").write_text("the image's")
    (tree / "there").mkdir()
    (tree / "there/kept").write_text("kept")
    source = tmp_path / "source"
    source.mkdir()
    (source / "f").write_text("orig")
    mounts = [
        {"type": "bind", "target": "/there", "source": str(source), "writable": True},
        {"type": "bind", "target": "/one", "source": str(source), "subpath": "f"},
        {"type": "secret", "target": "/run/secrets/s", "data": b"canary", "mode": 0o400},
        {"type": "tmpfs", "target": "/deep/tmp"},
    ]
    before = contents(tree)
    script = """
    cat /etc/hosts /etc/resolv.conf /one /run/secrets/s
    stat -c '%a %u' /run/secrets/s; echo > /dev/null; touch /deep/tmp/x
    cat /there/f; echo changed > /there/f; ! test -e /there/kept
    """
    result = run(script, mounts=mounts, hosts=b"ours ", resolv=b"resolv ")
    assert (result.status, result.out) == (0, "ours resolv origcanary400 0\norig"), result
    assert contents(tree) == before
    assert (source / "f").read_text() == "orig"


def test_a_cache_keeps_what_is_written(run: Run, tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "d").mkdir(parents=True)
    (cache / "d/old").write_text("old")
    (cache / "link").symlink_to("/etc")
    before = contents(tree)
    mounts = [{"type": "cache", "target": "/c", "source": str(cache), "writable": True}]
    script = """
    cat /c/d/old; echo new > /c/d/old; mkdir /c/e; echo x > /c/e/f
    rm /c/link; mkdir /c/link; echo y > /c/link/hosts2
    """
    result = run(script, mounts=mounts)
    assert (result.status, result.out) == (0, "old")
    assert (cache / "d/old").read_text() == "new\n"
    assert (cache / "e/f").read_text() == "x\n"
    assert (cache / "link/hosts2").read_text() == "y\n"
    assert not Path("/etc/hosts2").exists()
    assert contents(tree) == before


def test_other_users_and_missing_directories(run: Run) -> None:
    result = run("grep -E 'Cap(Inh|Eff|Bnd)' /proc/self/status || true; id -u; umask", uid=1000)
    assert result.out.endswith("1000\n0022\n")
    assert "cannot change to the working directory /nope" in run("true", cwd="/nope").error


def test_orphans_are_reaped(run: Run) -> None:
    script = """
    (sleep 0.05 & echo $! > /orphan); pid=$(cat /orphan); i=0
    while kill -0 $pid 2>/dev/null && [ $i -lt 100 ]; do sleep 0.05; i=$((i+1)); done
    if kill -0 $pid 2>/dev/null; then echo left; else echo gone; fi
    """
    assert run(script).out == "gone\n"


def test_no_descriptor_is_inherited(run: Run) -> None:
    assert "cannot change" in run("true", cwd="/proc/self/fd/3").error


def test_what_needs_rights_says_so(tmp_path: Path, tree: Path, run: Run) -> None:
    result = run("true", network="none")
    assert result.status == 0 or "network none needs CAP_SYS_ADMIN" in result.error
    assert contents(tree).keys() >= {"bin"}
    assert not (tree / "proc").exists()
    assert tmp_path.exists()
