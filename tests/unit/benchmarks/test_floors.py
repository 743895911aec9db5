from pathlib import Path

from benchmarks.floors import of_commands, of_machine, walk


def test_a_walk_looks_at_every_entry(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "file").touch()
    (tmp_path / "link").symlink_to("a")
    assert walk(str(tmp_path)) == 4


def test_commands_run_side_by_side_in_a_directory(tmp_path: Path) -> None:
    """Each waits for what the other does."""
    wait = "until test -e {}; do sleep 0.01; done"
    lines = [f"rm -f a; touch b; {wait.format('c')}; rm c", f"{wait.format('b')}; rm b; touch c"]
    assert of_commands("\n".join(lines), tmp_path) > 0
    assert list(tmp_path.iterdir()) == []


def test_the_machine() -> None:
    found = of_machine()
    assert 0 < found["python"] < 60
    assert found["copy"] > 1e6
