import hashlib
import zlib
from pathlib import Path

from benchmarks.contexts import Data, file_name, make_file, make_files, sizes


def digests(directory: Path) -> dict[str, str]:
    return {
        str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in directory.rglob("*")
        if file.is_file()
    }


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_files(tmp_path / name, seed, 120, 60_000)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert digests(tmp_path / "a").keys() == digests(tmp_path / "c").keys()
    assert digests(tmp_path / "a") != digests(tmp_path / "c")


def test_files_are_as_many_and_as_large_as_asked(tmp_path: Path) -> None:
    make_files(tmp_path, 7, 120, 60_000)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 120
    assert sum(file.stat().st_size for file in files) == 60_000
    assert {tmp_path / file_name(number) for number in range(120)} == set(files)
    assert max(len(list(file.parent.iterdir())) for file in files) == 50


def test_sizes_are_uneven_and_add_up() -> None:
    found = sizes(3, 1000, 5_000_000)
    assert sum(found) == 5_000_000
    assert min(found) >= 0
    assert sorted(found)[500] < 5000 < max(found) / 5


def test_data_is_mixed(tmp_path: Path) -> None:
    make_file(tmp_path / "data", 5, 2_000_000)
    data = (tmp_path / "data").read_bytes()
    assert len(data) == 2_000_000
    assert 0.5 < len(zlib.compress(data, 6)) / len(data) < 0.85


def test_a_piece_larger_than_the_pool_of_text() -> None:
    data = Data(1)
    assert {len(data.take(17 << 20)) for _ in range(5)} == {17 << 20}
