import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.store.temp import TempArea, remove_tree, sweep

LEAVE = """
import sys
from pathlib import Path
from mkbuild.store.temp import TempArea
area = TempArea(Path(sys.argv[1]))
with area.directory("work-") as path:
    (path / "file").write_text("x")
    print(path, flush=True)
    sys.stdin.read()
"""


def test_names_and_directories(tmp_path: Path) -> None:
    area = TempArea(tmp_path)
    assert not (tmp_path / "tmp").exists()
    assert area.name("a-") != area.name("a-")
    with area.directory("d-") as path:
        (path / "x").write_text("x")
    assert not path.exists()
    area.name().write_text("left")
    area.close()
    area.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_context(tmp_path: Path) -> None:
    with TempArea(tmp_path) as area:
        area.name().write_text("x")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_sweep_takes_the_dead_and_leaves_the_living(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    path = Path(process.stdout.readline().strip())
    area = TempArea(tmp_path)
    mine = area.name()
    mine.write_text("mine")
    assert sweep(tmp_path) == 0
    assert (path / "file").exists()
    process.kill()
    process.communicate()
    assert (path / "file").exists()
    assert sweep(tmp_path) == 1
    assert not path.exists()
    assert mine.exists()
    area.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_remove_tree_of_any_shape(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    tree = tmp_path / "tree"
    (tree / "closed" / "inner").mkdir(parents=True)
    (tree / "closed" / "inner" / "f").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "dangling").symlink_to("nowhere")
    os.mkfifo(tree / "fifo")
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "closed" / "inner").chmod(0)
    (tree / "closed").chmod(0)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").exists()
    remove_tree(tree)


def test_remove_tree_deeper_than_any_path(tmp_path: Path) -> None:
    tree = tmp_path / "deep"
    tree.mkdir()
    here = os.open(tree, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 10, dir_fd=here)
        below = os.open("d" * 10, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    remove_tree(tree)
    assert not tree.exists()


def test_remove_tree_of_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with pytest.raises(OSError, match="link"):
        remove_tree(tmp_path / "link")
    assert (tmp_path / "real").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_remove_tree_without_rights_of_root(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "closed" / "inner").mkdir(parents=True)
    (tree / "closed" / "inner" / "f").write_text("x")
    for path in (tree / "closed" / "inner", tree / "closed"):
        path.chmod(0)
    for path in (tree, tree / "closed", tree / "closed" / "inner", tmp_path):
        os.chown(path, 1234, 1234)
    for parent in tmp_path.parents:
        if parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    child = os.fork()
    if child == 0:
        os.setgid(1234)
        os.setuid(1234)
        try:
            remove_tree(tree)
        finally:
            os._exit(0 if not tree.exists() else 1)
    assert os.waitpid(child, 0)[1] == 0
