import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mkbuild.store import locks
from mkbuild.store.locks import Lease, OwnedFile, abandoned, oldest_lease

HOLD = """
import sys
from pathlib import Path
from mkbuild.store.locks import OwnedFile, Lease
kind = {"owned": OwnedFile, "lease": Lease}[sys.argv[1]]
held = kind(Path(sys.argv[2]))
print(held.path, flush=True)
sys.stdin.read()
"""


class Holder:
    """Another process that holds a lock until it is killed."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, kind, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        self.path = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


def test_shared_and_exclusive(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    with locks.shared(path), locks.shared(path), locks.try_exclusive(path) as had:
        assert not had
    with locks.try_exclusive(path) as had:
        assert had
        with locks.try_exclusive(path) as again:
            assert not again
    with locks.exclusive(path):
        pass


def test_exclusive_waits(tmp_path: Path) -> None:
    path, order = tmp_path / "x.lock", []
    with locks.shared(path):

        def wait() -> None:
            with locks.exclusive(path):
                order.append("second")

        thread = threading.Thread(target=wait)
        thread.start()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_an_owned_file_of_the_living_and_of_the_dead(tmp_path: Path) -> None:
    holder = Holder("owned", tmp_path)
    with abandoned(holder.path) as dead:
        assert not dead
    assert holder.path.exists()
    holder.kill()
    with abandoned(holder.path) as dead:
        assert dead
        assert holder.path.exists()
    assert not holder.path.exists()
    with abandoned(holder.path) as dead:
        assert not dead


def test_what_fails_meanwhile_keeps_the_file(tmp_path: Path) -> None:
    holder = Holder("owned", tmp_path)
    holder.kill()
    with pytest.raises(PermissionError), abandoned(holder.path):
        raise PermissionError
    assert holder.path.exists()


def test_close_removes(tmp_path: Path) -> None:
    with OwnedFile(tmp_path / "new") as owned:
        assert owned.path.exists()
    assert not owned.path.exists()
    owned.close()


def test_leases(tmp_path: Path) -> None:
    assert oldest_lease(tmp_path) is None
    dead, living = Holder("lease", tmp_path), Holder("lease", tmp_path)
    with Lease(tmp_path) as mine:
        assert oldest_lease(tmp_path) == dead.path.stat().st_mtime_ns
        dead.kill()
        assert oldest_lease(tmp_path) == living.path.stat().st_mtime_ns
        assert not dead.path.exists()
        living.kill()
        assert oldest_lease(tmp_path) == mine.path.stat().st_mtime_ns
    assert oldest_lease(tmp_path) is None


def test_a_lock_ends_with_the_last_copy_of_its_descriptor(tmp_path: Path) -> None:
    waited: list[str] = []
    path = tmp_path / "taken.lock"
    handle = locks.acquire(path, lambda: waited.append("first"))
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[handle])
    os.close(handle)
    with locks.try_exclusive(path) as had:
        assert not had

    def waiting() -> None:
        waited.append("second")
        child.kill()

    os.close(locks.acquire(path, waiting))
    child.communicate()
    assert waited == ["second"]
