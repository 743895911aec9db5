"""Uppers of a user namespace with a single id: user.overlay.*, owners that the disk cannot hold."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, subprocess, sys, time
from pathlib import Path
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index
from mkbuild.snapshot.materialise import write_tree
from mkbuild.snapshot.upper import normalise, prepare
from tests.support.trees import diff, directory, file

root = Path(sys.argv[1])
lower, upper, work, merged = (root / n for n in ("lower", "upper", "work", "merged"))
for path in (lower, upper, work, merged):
    path.mkdir()
base = diff(
    [directory("d", uid=5, mtime=9), file("d/f", b"f", uid=6, gid=7, mtime=9),
     file("d/g", b"g", mtime=9), file("same", b"same", uid=8, mtime=9)],
    b"f", b"g", b"same")
write_tree(base, lower, userxattr=True, single_id=True)
index = Index().apply(base.toc, "L")
prepare(upper, index, single_id=True)
started = time.time_ns()
subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "userxattr,"
    f"metacopy=off,index=off,lowerdir={lower},upperdir={upper},workdir={work}", merged], check=True)
(merged / "d" / "f").write_bytes(b"F")
(merged / "d" / "g").unlink()
(merged / "same").chmod(0o600)
(merged / "same").chmod(0o644)
(merged / "new").mkdir()
(merged / "old").write_bytes(b"old")
subprocess.run(["umount", merged], check=True)
made = normalise(upper, index, lambda found: lower / found.inode, started_ns=started, epoch=1,
                 userxattr=True, single_id=True)
for entry in made.toc.entries:
    print(entry.type, entry.path, entry.uid, entry.gid, entry.mtime)
for path in sorted(upper.rglob("*")):
    print(path.relative_to(upper), os.listxattr(path, follow_symlinks=False))
"""


@pytest.mark.userns
def test_a_step_in_a_user_namespace_with_one_id(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", SCRIPT, tmp_path],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "d d 5 0 9",
        "f d/f 6 7 1",
        "w d/g 0 0 0",
        "d new 0 0 1",
        "f old 0 0 1",
        "d []",
        "d/f []",
        "d/g []",
        "new []",
        "old []",
    ]
