"""What a power cut leaves, and who looks at it."""

import errno
import threading
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.store import boot, unsynced
from mkbuild.store.files import FileStore
from mkbuild.store.unsynced import Unsynced, write_out


def _noted(root: Path) -> list[str]:
    return sorted(path.name for path in (root / boot.DIRECTORY).glob("*/*"))


def _reboot(root: Path) -> None:
    """Make this boot's notes those of an earlier one."""
    place = root / boot.DIRECTORY
    (place / boot.current()).rename(place / "an-earlier-boot")


def test_a_blob_is_noted_before_it_has_its_place(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    some = [store.put(data) for data in (b"a", b"b")]
    assert _noted(tmp_path) == sorted(map(digests.hex_of, some))
    store.put(b"a")
    assert _noted(tmp_path) == sorted(map(digests.hex_of, some))


@pytest.mark.parametrize("torn", [b"", b"hal", b"whole" + bytes(3)], ids=["empty", "cut", "wrong"])
def test_what_a_power_cut_tore_is_set_aside(tmp_path: Path, torn: bytes) -> None:
    store = FileStore(tmp_path)
    bad, good = store.put(b"whole"), store.put(b"good")
    store.path(bad).write_bytes(torn)
    _reboot(tmp_path)
    again = FileStore(tmp_path)
    again.settle()
    assert not again.has(bad)
    assert again.read(good) == b"good"
    assert (tmp_path / "quarantine" / digests.hex_of(bad)).read_bytes() == torn
    assert not _noted(tmp_path)


def test_blobs_that_are_gone_and_files_that_are_no_notes(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.delete(store.put(b"gone"))
    (tmp_path / boot.DIRECTORY / boot.current() / "README").touch()
    _reboot(tmp_path)
    store.settle()
    assert not _noted(tmp_path)


def test_in_the_same_boot_nothing_is_looked_at(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"whole")
    store.path(digest).write_bytes(b"")
    store.settle()
    assert store.has(digest)


def test_whoever_comes_while_they_are_looked_at_waits(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(b"a")
    _reboot(tmp_path)
    looking, go = threading.Event(), threading.Event()
    order: list[str] = []

    def look(_: Digest) -> None:
        looking.set()
        go.wait()
        order.append("looked")

    def come() -> None:
        store.settle()
        order.append("used")

    first = threading.Thread(target=Unsynced(tmp_path).settle, args=(look,))
    second = threading.Thread(target=come)
    first.start()
    looking.wait()
    second.start()
    go.set()
    first.join()
    second.join()
    assert order == ["looked", "used"]


def test_a_killed_one_leaves_the_rest_to_the_next(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(b"a")
    _reboot(tmp_path)

    def die(_: Digest) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.unsynced.settle(die)
    looked: list[Digest] = []
    store.unsynced.settle(looked.append)
    assert looked == [digests.of(b"a")]


def test_notes_go_when_they_are_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(
        unsynced, "write_out", lambda root: written.append((root, _noted(tmp_path)))
    )
    store = FileStore(tmp_path)
    store.unsynced.sync()
    digest = digests.hex_of(store.put(b"a"))
    store.unsynced.sync(2)
    assert not written
    assert _noted(tmp_path) == [digest]
    store.unsynced.sync(1)
    # They are there until all is on the disk, for the next boot.
    assert written == [(tmp_path, [digest])]
    assert not _noted(tmp_path)


def test_what_is_noted_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileStore(tmp_path)
    store.put(b"a")
    monkeypatch.setattr(unsynced, "write_out", lambda _: store.put(b"b"))
    store.unsynced.sync()
    assert _noted(tmp_path) == [digests.hex_of(digests.of(b"b"))]


def test_a_disk_in_trouble_leaves_the_notes_to_the_next_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(unsynced, "write_out", fail)
    store = FileStore(tmp_path)
    digest = digests.hex_of(store.put(b"a"))
    store.unsynced.sync()
    assert _noted(tmp_path) == [digest]
    monkeypatch.setattr(boot, "current", lambda: "the-next-boot")
    looked: list[Digest] = []
    Unsynced(tmp_path).settle(looked.append)
    assert looked == [digests.of(b"a")]
    assert not _noted(tmp_path)


def test_write_out(tmp_path: Path) -> None:
    write_out(tmp_path)
    with pytest.raises(FileNotFoundError):
        write_out(tmp_path / "absent")
