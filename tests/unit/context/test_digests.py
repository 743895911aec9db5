import hashlib
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.context.digests import EMPTY, FileDigests, is_settled
from mkbuild.context.hashing import FileToHash
from mkbuild.errors import StepError

LATER = 10**9 * 10
DAY = 86400 * 10**9


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def lstat(path: Path) -> FileToHash:
    return FileToHash(path, path.lstat())


def settled(path: Path) -> int:
    """Return a time (ns) at which the file's last change is long past."""
    return path.lstat().st_ctime_ns + LATER


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    return path


def make(tmp_path: Path, now: int) -> FileDigests:
    return FileDigests(tmp_path / "db", warn=pytest.fail, clock=lambda: now)


def test_an_unchanged_file_is_read_once(tmp_path: Path, file: Path) -> None:
    now = settled(file)
    first = make(tmp_path, now)
    assert first.digests([lstat(file)]) == [sha(b"one")]
    assert first.files_read == 1
    second = make(tmp_path, now)
    assert second.digests([lstat(file)]) == [sha(b"one")]
    assert second.files_read == 0


def test_same_size_and_mtime_with_other_content_is_read(tmp_path: Path, file: Path) -> None:
    now = settled(file)
    digests = make(tmp_path, now)
    digests.digests([lstat(file)])
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.digests([lstat(file)]) == [sha(b"two")]


def test_a_file_changed_just_before_it_was_read_is_read_again(tmp_path: Path, file: Path) -> None:
    digests = make(tmp_path, file.stat().st_ctime_ns + 1)
    digests.digests([lstat(file)])
    assert digests.digests([lstat(file)]) == [sha(b"one")]
    assert digests.files_read == 2


def test_an_mtime_in_the_future_is_never_trusted(tmp_path: Path, file: Path) -> None:
    now = settled(file)
    os.utime(file, ns=(now + DAY, now + DAY))
    digests = make(tmp_path, now)
    digests.digests([lstat(file)])
    digests.digests([lstat(file)])
    assert digests.files_read == 2


@given(
    changed=st.integers(0, 10**12),
    delay=st.integers(0, 5 * 10**9),
    grain=st.sampled_from([1, 10**7, 10**9, 2 * 10**9]),
)
@settings(max_examples=300)
def test_no_change_after_a_trusted_reading_can_have_the_same_timestamps(
    changed: int, delay: int, grain: int
) -> None:
    read_at = changed + delay
    stamp = changed // grain * grain
    later_stamp = read_at // grain * grain
    status = os.stat_result((0,) * 10, {"st_mtime_ns": stamp, "st_ctime_ns": stamp})
    if is_settled(status, read_at):
        assert later_stamp > stamp


def test_what_was_changed_just_now_has_not_settled(tmp_path: Path, file: Path) -> None:
    status = file.lstat()
    for now, settles in ((status.st_ctime_ns + 1, False), (settled(file), True)):
        digests = make(tmp_path, now)
        digests.digests([lstat(file)])
        assert digests.has_settled(status) == settles


def test_empty_files_are_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    status = FileToHash(path, path.lstat())
    path.unlink()
    assert make(tmp_path, 0).digests([status]) == [EMPTY]


def test_order_and_duplicates(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(20)]
    for path in paths:
        path.write_bytes(path.name.encode())
    wanted = [*paths, *paths[::-1]]
    digests = make(tmp_path, settled(paths[-1]))
    expected = [sha(path.name.encode()) for path in wanted]
    assert digests.digests([lstat(path) for path in wanted]) == expected
    assert digests.files_read == 20
    assert digests.digests([lstat(path) for path in wanted]) == expected
    assert digests.files_read == 20


def test_big_files_in_threads(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(4)]
    for path in paths:
        path.write_bytes(path.name.encode() * 600_000)
    digests = make(tmp_path, settled(paths[-1]))
    assert digests.digests([lstat(path) for path in paths]) == [
        sha(path.name.encode() * 600_000) for path in paths
    ]


def test_a_file_that_changed_since_its_lstat_is_an_error(tmp_path: Path, file: Path) -> None:
    status = lstat(file)
    file.write_bytes(b"three")
    with pytest.raises(StepError, match="changed while"):
        make(tmp_path, 0).digests([status])


@pytest.mark.parametrize("what", ["gone", "symlink", "directory", "fifo"])
def test_a_file_that_became_something_else_is_an_error(
    tmp_path: Path, file: Path, what: str
) -> None:
    status = lstat(file)
    file.unlink()
    if what == "symlink":
        file.symlink_to("/etc/passwd")
    elif what == "directory":
        file.mkdir()
    elif what == "fifo":
        os.mkfifo(file)
    with pytest.raises(StepError, match="file"):
        make(tmp_path, 0).digests([status])


def test_a_corrupt_database_costs_a_reading(tmp_path: Path, file: Path) -> None:
    (tmp_path / "db").write_bytes(b"garbage" * 1000)
    warnings: list[str] = []
    now = settled(file)
    digests = FileDigests(tmp_path / "db", warn=warnings.append, clock=lambda: now)
    assert digests.digests([lstat(file)]) == [sha(b"one")]
    assert digests.digests([lstat(file)]) == [sha(b"one")]
    assert (digests.files_read, len(warnings)) == (1, 1)


def test_a_database_that_cannot_be_had_costs_a_reading(tmp_path: Path, file: Path) -> None:
    (tmp_path / "db").mkdir()
    warnings: list[str] = []
    digests = FileDigests(tmp_path / "db", warn=warnings.append)
    assert digests.digests([lstat(file)]) == [sha(b"one")]
    assert digests.digests([lstat(file)]) == [sha(b"one")]
    assert len(warnings) == 1


def test_what_was_not_used_for_long_is_forgotten(tmp_path: Path, file: Path) -> None:
    now = settled(file)
    make(tmp_path, now).digests([lstat(file)])
    make(tmp_path, now + 30 * DAY).digests([lstat(file)])
    other = tmp_path / "other"
    other.write_bytes(b"other")
    make(tmp_path, now + 80 * DAY).digests([lstat(other)])
    kept = make(tmp_path, now + 80 * DAY)
    kept.digests([lstat(file)])
    assert kept.files_read == 0
    other.write_bytes(b"others")
    make(tmp_path, now + 200 * DAY).digests([lstat(other)])
    forgotten = make(tmp_path, now + 200 * DAY)
    forgotten.digests([lstat(file)])
    assert forgotten.files_read == 1


def test_threads_share_it(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(50)]
    for path in paths:
        path.write_bytes(path.name.encode())
    digests = make(tmp_path, settled(paths[-1]))
    results: list[list[bytes]] = []
    threads = [
        threading.Thread(target=lambda: results.append(digests.digests([lstat(p) for p in paths])))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[sha(path.name.encode()) for path in paths]] * 4
