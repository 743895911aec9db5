"""Files that are read and hashed, by one process or two."""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mkbuild.context import forking
from mkbuild.context.hashing import FileToHash, Hasher
from mkbuild.errors import StepError
from mkbuild.filesystem.diff import identity
from tests.support.children import Children, children_since


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    with closing(Hasher()) as hasher:
        yield hasher


def asked(paths: Sequence[Path]) -> list[FileToHash]:
    return [FileToHash(path, path.lstat()) for path in paths]


def hashes(hasher: Hasher, files: Sequence[FileToHash]) -> list[bytes]:
    """Return the digests of files, in their order."""
    found = hasher.hash({identity(file.status): file for file in files})
    return [found[identity(file.status)].digest for file in files]


def test_small_files_that_were_read_are_kept(hasher: Hasher, tmp_path: Path) -> None:
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(b"before")
    big.write_bytes(bytes(1 << 20))
    of_small, of_big = hashes(hasher, asked([small, big]))
    small.write_bytes(b"after!")
    assert hasher.kept(of_small) == b"before"
    assert hasher.kept(of_big) is None


def test_no_more_is_kept_than_there_is_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mkbuild.context.hashing._KEPT", 10)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_bytes(path.name.encode() * 4)
    with closing(Hasher()) as hasher:
        found = hashes(hasher, asked(paths))
        assert [hasher.kept(each) for each in found] == [b"aaaa", b"bbbb", None]


@pytest.fixture
def children() -> Children:
    return children_since()


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """More small files than one process is to read, and a big one."""
    monkeypatch.setattr(forking, "pays", lambda: True)  # whatever threads other tests have
    paths = [tmp_path / f"f{number}\udc80{'x' * (number % 200)}" for number in range(1000)]
    for number, path in enumerate(paths):
        path.write_bytes(b"%d" % number * (number % 300 + 1))
    paths.append(tmp_path / "big")
    paths[-1].write_bytes(bytes(1 << 20))
    return paths


def test_many_files_are_read_by_two_processes(
    hasher: Hasher, many: list[Path], children: Children
) -> None:
    expected = [sha(path.read_bytes()) for path in many]
    assert hashes(hasher, asked(many)) == expected
    assert len(children()) == 1
    for path, digest in zip(many[:-1], expected, strict=False):
        assert hasher.kept(digest) == path.read_bytes()
    assert hasher.kept(expected[-1]) is None
    hasher.close()
    assert not children()


def test_attributes_are_found_by_either_process(hasher: Hasher, many: list[Path]) -> None:
    marked = [many[0], many[-2]]
    for path in marked:
        os.setxattr(path, "user.note", b"x")
    files = asked(many)
    found = hasher.hash({identity(file.status): file for file in files})
    assert [file.path for file in files if found[identity(file.status)].attributes] == marked


@pytest.mark.parametrize("which", [0, -2], ids=["here", "beside"])
def test_one_of_many_that_cannot_be_read(
    hasher: Hasher, many: list[Path], which: int, children: Children
) -> None:
    files = asked(many)
    many[which].write_bytes(b"changed")
    with pytest.raises(StepError, match="changed while it was being read"):
        hashes(hasher, files)
    assert not children()
    # What was on its way then is nobody's answer now.
    assert hashes(hasher, asked(many)) == [sha(path.read_bytes()) for path in many]


@pytest.mark.usefixtures("many")
def test_long_paths_make_small_batches(hasher: Hasher, tmp_path: Path) -> None:
    place = tmp_path / ("d" * 250) / ("e" * 250) / ("f" * 250)
    place.mkdir(parents=True)
    paths = [place / f"{number}" for number in range(1000)]
    for path in paths:
        path.write_bytes(path.name.encode())
    expected = [sha(path.name.encode()) for path in paths]
    assert hashes(hasher, asked(paths)) == expected


def test_beside_another_thread_no_process_is_forked(
    hasher: Hasher, many: list[Path], children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        assert hashes(hasher, asked(many)) == [sha(path.read_bytes()) for path in many]
        assert not children()
    finally:
        go.set()
        thread.join()
