"""Whether a forked process pays."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("processors", "threads", "expected"),
    [("0, 1", 1, True), ("0", 1, False), ("0, 1", 2, False)],
    ids=["two processors", "one processor", "a second thread"],
)
def test_pays(processors: str, threads: int, expected: bool) -> None:
    code = (
        "import os, threading\n"
        "from mkbuild.context import forking\n"
        f"os.sched_getaffinity = lambda _: {{{processors}}}\n"
        "go = threading.Event()\n"
        f"for _ in range({threads - 1}): threading.Thread(target=go.wait).start()\n"
        "print(forking.pays())\n"
        "go.set()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == f"{expected}\n"
