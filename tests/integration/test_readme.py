"""The README's five minutes, command by command."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import registries
from tests.support.registry import RealRegistry
from tests.support.users import become, own

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.root, pytest.mark.registry]

SHOWS = {
    "mkbuild graph": "web\n  needs base: web/Dockerfile:2:1: FROM base\n",
    "mkbuild all": "built 5 images in ",
    "mkbuild all again": "up to date: 5 images, ",
    "echo >> web/server.pl": "",
    "mkbuild why web": "  web/server.pl: sha256 ",
    "mkbuild all --push": "pushed localhost:",
    "mkbuild query 'rdeps(tool)'": "tool\nweb\nstats\nreport\n",
    "mkbuild doctor": "ok  kernel ",
}


def commands() -> list[str]:
    """Return the lines of the tour's first block, without comments and installation."""
    tour = (ROOT / "README.md").read_text().partition("## Five minutes")[2]
    block = tour.partition("```sh\n")[2].partition("```")[0]
    lines = [line.partition("#")[0].strip() for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(("pip ", "cd "))]


@pytest.fixture
def env(tmp_path: Path, registry: RealRegistry) -> dict[str, str]:
    program = tmp_path / "bin" / "mkbuild"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mkbuild "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "MKBUILD_STORAGE": str(tmp_path / "store"),
        "MKBUILD_REGISTRIES": str(registries(tmp_path, copied=True)),
        "MKBUILD_VAR": f"REGISTRY={registry.address}/{tmp_path.name}",
    }


@pytest.mark.userns
@pytest.mark.parametrize("who", ["root", "subuids", "single-id"])
def test_the_tour(tmp_path: Path, env: dict[str, str], who: str) -> None:
    workspace = tmp_path / "monorepo"
    shutil.copytree(ROOT / "examples" / "monorepo", workspace)
    prefix: tuple[str, ...] = ()
    if who != "root":
        (tmp_path / "account").mkdir()
        prefix = become(tmp_path / "account", ranges=who == "subuids")
        own(tmp_path)
    seen: list[str] = []
    shown: set[str] = set()
    for command in commands():
        name = f"{command} again" if command in seen else command
        seen.append(command)
        done = subprocess.run(
            [*prefix, "bash", "-c", command],
            cwd=workspace,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert SHOWS[name] in done.stdout
        shown.add(name)
    assert shown == SHOWS.keys()
