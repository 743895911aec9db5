"""Exit statuses of the console script."""

import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild import __version__
from mkbuild.cli.main import main


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"mkbuild {__version__}\n"


@pytest.mark.parametrize("args", [["build", "--nonsense"], ["list", "--nonsense"], ["-j", "zero"]])
def test_usage_errors(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    assert "Usage: mkbuild" in capsys.readouterr().err


def test_user_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-C", str(tmp_path / "gone"), "all"]) == 2
    assert capsys.readouterr().err.startswith("error: -C ")


@pytest.mark.parametrize(
    ("line", "status", "output"),
    [
        ('"$@" version', 0, f"mkbuild {__version__}\n"),
        ('"$@" version | cat', 0, f"mkbuild {__version__}\n"),
        ('"$@" version >&-', 0, ""),
        ('"$@" version 2>&-', 0, f"mkbuild {__version__}\n"),
        ('"$@" --nonsense 2>/dev/null', 2, ""),
        ('"$@" version >/dev/full 2>/dev/null', 1, ""),
    ],
)
def test_the_process_ends_with_all_that_was_written(line: str, status: int, output: str) -> None:
    command = ["bash", "-o", "pipefail", "-c", line, "bash", sys.executable, "-m", "mkbuild"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, output)


@pytest.mark.parametrize(
    ("place", "raised", "message"),
    [
        ("main, 'main'", "KeyboardInterrupt()", ""),
        ("main.compiled, 'replay'", "KeyboardInterrupt()", "interrupted\n"),
        ("main.compiled, 'replay'", "RuntimeError() from KeyboardInterrupt()", "interrupted\n"),
    ],
)
def test_an_interruption_of_anything_is_no_bug(place: str, raised: str, message: str) -> None:
    code = (
        "from mkbuild.cli import main\n"
        f"def planted(*_): raise {raised}\n"
        f"setattr({place}, planted)\n"
        "main.console()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, message)


@pytest.mark.parametrize(
    "death", ["os.kill(os.getpid(), signal.SIGINT)", "raise KeyboardInterrupt"]
)
def test_an_interruption_of_a_destructor_is_not_lost(death: str) -> None:
    code = (
        "import os, signal, time\n"
        "from mkbuild.cli import main\n"
        "class Dying:\n"
        f"    def __del__(self): {death}\n"
        "def planted(*_):\n"
        "    Dying()\n"
        "    while True: time.sleep(10)\n"
        "main.compiled.replay = planted\n"
        "main.console()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_other_failures_of_destructors_are_shown() -> None:
    code = (
        "from mkbuild.cli import main\n"
        "class Dying:\n"
        "    def __del__(self): raise ValueError('planted')\n"
        "def planted(*_):\n"
        "    Dying()\n"
        "    return 0\n"
        "main.compiled.replay = planted\n"
        "main.console()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "ValueError: planted" in done.stderr
