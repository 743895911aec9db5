"""What a RUN is told of its share of the job slots, and that this is part of no key."""

from pathlib import Path

import pytest

from tests.support import images
from tests.support.computer import Computer, write

pytestmark = pytest.mark.root

TELL = 'FROM busybox\nRUN echo "$MKBUILD_JOBS ${MAKEFLAGS-none}" > /told\n'
FILES = {
    "BUILD.yaml": "version: 1\nimages:\n"
    "  light: {context: light}\n"
    "  heavy: {context: heavy, resources: {weight: 3, makeflags: true}}\n"
    "  own: {context: own, resources: {makeflags: true}, args: {MKBUILD_JOBS: '7'}}\n",
    "light/Dockerfile": TELL,
    "heavy/Dockerfile": TELL.replace("RUN", "RUN :;"),
    "own/Dockerfile": TELL.replace("RUN", "ARG MKBUILD_JOBS\nENV MAKEFLAGS=-s\nRUN"),
}


def told(computer: Computer, work: Path, jobs: int) -> dict[str, str]:
    found = {}
    for name in ("light", "heavy", "own"):
        out = computer.store / f"{name}-{jobs}"
        computer.build(work, name, "-j", str(jobs), "--output", f"type=oci,dest={out},tar=false")
        found[name] = images.load(out).tree["told"].content.decode().strip()
    return found


def test_a_command_is_told_of_its_slots_unless_the_dockerfile_says_something(
    tmp_path: Path,
) -> None:
    work = write(tmp_path / "work", FILES)
    two, four = Computer(tmp_path / "two"), Computer(tmp_path / "four")
    for found, slots in ((told(two, work, 2), "2"), (told(four, work, 4), "3")):
        assert found == {"light": "1 none", "heavy": f"{slots} -j{slots}", "own": "7 -s"}
    # another number of jobs is no reason to run anything again
    assert two.build(work, "all", "-j", "4").ran() == set()
