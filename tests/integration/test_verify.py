"""``mkbuild verify``: what is reproducible, and what is not, with the path that tells."""

from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries

pytestmark = pytest.mark.root


def test_verify(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  good: {dockerfile: good.Dockerfile}\n"
        "  random: {dockerfile: random.Dockerfile}\n"
    )
    (work / "good.Dockerfile").write_text(
        "FROM busybox:stable\nRUN date > /dev/null; echo a > /a\n"
    )
    (work / "random.Dockerfile").write_text(
        "FROM busybox:stable\nRUN echo a > /a; cat /proc/sys/kernel/random/uuid > /srv-id\n"
    )
    mkbuild = Mkbuild(work, tmp_path / "store", registries(tmp_path))
    done = mkbuild.run("verify", "good")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("same     good linux/")
    done = mkbuild.run("verify")
    assert done.returncode == 1
    assert "differs  random" in done.stdout
    assert "layer 2: /srv-id: its content differs" in done.stderr
