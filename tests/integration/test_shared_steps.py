"""Steps that several targets share, and those that only look as if they did."""

from pathlib import Path

import pytest

from tests.support.computer import Computer, write

pytestmark = pytest.mark.root

SECRETS = """\
version: 1
images:
  one: {context: ., secrets: [{id: token, src: one.txt}]}
  two: {context: ., secrets: [{id: token, src: two.txt}]}
"""
READING = """\
FROM busybox
RUN --mount=type=secret,id=token cp /run/secrets/token /token
"""


def contents(computer: Computer, work: Path, target: str, *flags: str) -> str:
    out = work.parent / f"out{len(list(work.parent.iterdir()))}"
    computer.build(work, target, "--output", f"type=local,dest={out}", *flags)
    return (out / "token").read_text()


def test_two_targets_with_one_secret_of_different_sources(tmp_path: Path) -> None:
    files = {"BUILD.yaml": SECRETS, "Dockerfile": READING, "one.txt": "1", "two.txt": "2"}
    work = write(tmp_path / "work", files)
    computer = Computer(tmp_path / "computer")
    built = computer.build(work, "all")
    assert built.digests["one"] != built.digests["two"]
    assert contents(computer, work, "one") == "1"
    assert contents(computer, work, "two") == "2"
    write(work, {"one.txt": "changed"})
    assert contents(computer, work, "one") == "1"


def test_a_target_that_wants_no_cache_shares_a_step(tmp_path: Path) -> None:
    text = "version: 1\nimages:\n  one: {context: .}\n  two: {context: ., no_cache: true}\n"
    dockerfile = "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /token\n"
    work = write(tmp_path / "work", {"BUILD.yaml": text, "Dockerfile": dockerfile})
    computer = Computer(tmp_path / "computer")
    computer.build(work, "one")
    before = contents(computer, work, "one")
    assert len(computer.build(work, "all").ran()) == 1
    assert contents(computer, work, "one") != before
