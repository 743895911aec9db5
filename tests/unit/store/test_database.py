import sqlite3
from pathlib import Path

import pytest

from mkbuild.store.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS t (k TEXT PRIMARY KEY, v BLOB)"


def fill(path: Path, rows: int) -> None:
    database = Database(path, SCHEMA, pytest.fail)
    database.write("INSERT INTO t VALUES (?, ?)", [(f"{i:08}", b"v" * 100) for i in range(rows)])
    database.close()


def test_rows_survive_closing(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "db", 3)
    database = Database(tmp_path / "a" / "db", SCHEMA, pytest.fail)
    assert database.select("SELECT count(*) FROM t") == [(3,)]
    assert database.select("SELECT v FROM t WHERE k = ?", ("00000001",)) == [(b"v" * 100,)]


def test_a_file_that_is_no_database_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"garbage" * 1000)
    warnings: list[str] = []
    database = Database(path, SCHEMA, warnings.append)
    assert database.select("SELECT * FROM t") == []
    database.write("INSERT INTO t VALUES (?, ?)", [("k", b"v")])
    assert len(warnings) == 1
    assert "corrupt" in warnings[0]
    assert (tmp_path / "db.corrupt").read_bytes() == b"garbage" * 1000


def test_a_file_with_a_damaged_middle_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "db"
    fill(path, 2000)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    warnings: list[str] = []
    database = Database(path, SCHEMA, warnings.append)
    assert database.select("SELECT v FROM t WHERE k = '00001000'") == []
    assert len(warnings) == 1


def test_a_truncated_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "db"
    fill(path, 2000)
    with path.open("r+b") as stream:
        stream.truncate(5000)
    warnings: list[str] = []
    database = Database(path, SCHEMA, warnings.append)
    assert database.select("SELECT count(*) FROM t") in ([(0,)], [(2000,)])
    database.write("INSERT OR REPLACE INTO t VALUES (?, ?)", [("k", b"v")])
    assert database.select("SELECT v FROM t WHERE k = 'k'") == [(b"v",)]


def test_what_another_process_replaced_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "db"
    path.write_bytes(b"garbage" * 1000)
    ours = Database(path, SCHEMA, lambda _: None)
    path.unlink()
    fill(path, 1)
    ours._replace(sqlite3.DatabaseError("seen before the other process repaired it"))
    assert ours.select("SELECT count(*) FROM t") == [(1,)]
    assert not (tmp_path / "db.corrupt").exists()


def test_a_path_that_cannot_be_a_file_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    database = Database(tmp_path / "db", SCHEMA, pytest.fail)
    with pytest.raises(OSError, match="db"):
        database.select("SELECT 1")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Database(tmp_path / "file" / "db", SCHEMA, pytest.fail).select("SELECT 1")


def test_a_mistake_in_a_statement_is_no_io_error(tmp_path: Path) -> None:
    database = Database(tmp_path / "db", SCHEMA, pytest.fail)
    with pytest.raises(sqlite3.OperationalError):
        database.select("SELECT nothing FROM nowhere")
    with pytest.raises(sqlite3.ProgrammingError):
        database.select("SELECT ?", ("too", "many"))
