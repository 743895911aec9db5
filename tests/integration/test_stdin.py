"""A Dockerfile from standard input."""

import subprocess
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries

pytestmark = pytest.mark.root


def test_a_dockerfile_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "file").write_text("hello")
    mkbuild = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))

    def build(dockerfile: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            mkbuild.command("build", "-f", "-", "./app"),
            cwd=tmp_path,
            env=mkbuild.env,
            input=dockerfile,
            capture_output=True,
            text=True,
            check=False,
        )

    assert build("FROM busybox:stable\nCOPY file /\nRUN grep hello /file\n").returncode == 0
    done = build("FROM busybox:stable\nCOPY file /\nRUN grep world /file\n")
    assert done.returncode == 1
    assert "stdin:app:3" in done.stderr
