import os
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Command, CommandError, daemon_cpu, descendants, instructions, run


def command(code: str, directory: Path) -> Command:
    return Command([sys.executable, "-c", code], directory, {"PATH": os.environ["PATH"]})


def test_memory_and_time_of_children_count(tmp_path: Path) -> None:
    child = "import time; held = b'x' * 60_000_000; time.sleep(0.4)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    sample = run(command(code, tmp_path), tmp_path / "log")
    assert 60_000_000 < sample.memory < 200_000_000
    assert sample.seconds >= 0.4
    assert sample.cpu > 0
    assert sample.instructions is None


def test_the_harness_itself_does_not_count(tmp_path: Path) -> None:
    held = b"x" * 150_000_000
    sample = run(command("import time; time.sleep(0.2)", tmp_path), tmp_path / "log")
    assert sample.memory < len(held) / 2


def test_a_failed_command_says_what_it_printed(tmp_path: Path) -> None:
    code = "import sys; print('disk is full'); sys.exit(3)"
    with pytest.raises(CommandError, match=r"ended with 3:\ndisk is full"):
        run(command(code, tmp_path), tmp_path / "log")


def test_a_daemon_counts(tmp_path: Path) -> None:
    sample = run(command("pass", tmp_path), tmp_path / "log", daemon=os.getpid())
    assert sample.cpu >= 0
    assert daemon_cpu(os.getpid()) > 0
    assert daemon_cpu(None) == 0


def test_descendants() -> None:
    parents = {1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 99}
    assert descendants({2, 6}, parents) == {2, 3, 4, 6}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# started on Tue\n\n2104567,,instructions:u,901234,100.00,,\n", 2104567),
        ("<not supported>,,instructions:u,0,100.00,,\n", None),
        ("<not counted>,,instructions:u,0,0.00,,\n", None),
        ("", None),
    ],
)
def test_what_perf_prints(text: str, expected: int | None) -> None:
    assert instructions(text) == expected
