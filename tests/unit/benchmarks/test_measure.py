import os
import subprocess
import sys
import threading
import time
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


def test_descendants(tmp_path: Path) -> None:
    """Children of any thread count, theirs too, and none that has ended."""
    sleep = "import sys; sys.stdin.read()"
    tell = "print(os.getpid(), child.pid, flush=True); sys.stdin.read()"
    start = f"child = subprocess.Popen([sys.executable, '-c', {sleep!r}])"
    code = f"import os, subprocess, sys\n{start}\n{tell}"
    begun: list[subprocess.Popen[str]] = []

    def begin() -> None:
        argv = [sys.executable, "-c", code]
        begun.append(subprocess.Popen(argv, stdin=-1, stdout=-1, text=True, cwd=tmp_path))
        go.wait()

    go = threading.Event()
    thread = threading.Thread(target=begin)
    thread.start()
    try:
        while not begun:
            time.sleep(0.001)
        (process,) = begun
        assert process.stdout is not None
        family = {int(pid) for pid in process.stdout.readline().split()}
        assert len(family) == 2
        assert descendants({process.pid}) == family
        assert family < descendants({os.getpid()})
        process.communicate("")
        assert not family & descendants({os.getpid()})
    finally:
        go.set()
        thread.join()


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
