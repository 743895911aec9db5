"""``-``: images and caches go through pipes; what goes to standard output stays alone there."""

import io
import json
import os
import pty
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries

pytestmark = pytest.mark.root


@pytest.fixture
def built(tmp_path: Path) -> Mkbuild:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "BUILD.yaml").write_text("version: 1\nimages: {a: {context: .}}\n")
    (directory / "Dockerfile").write_text("FROM busybox\nRUN echo made > /made\n")
    mkbuild = Mkbuild(directory, tmp_path / "store", registries(tmp_path))
    mkbuild.build("a")
    return mkbuild


def output(mkbuild: Mkbuild, *args: str) -> bytes:
    """Return what arrives in a pipe."""
    return subprocess.run(
        mkbuild.command(*args), cwd=mkbuild.directory, env=mkbuild.env, stdout=-1, check=True
    ).stdout


@pytest.mark.parametrize("kind", ["docker", "oci", "tar"])
def test_an_image_to_standard_output(built: Mkbuild, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file.tar"
    built.build("a", "--output", f"type={kind},dest={file}")
    assert output(built, "a", "--output", f"type={kind},dest=-") == file.read_bytes()
    assert [path.name for path in built.directory.iterdir() if path.name == "-"] == []


def test_a_lone_dash_is_the_filesystem(built: Mkbuild) -> None:
    with tarfile.open(fileobj=io.BytesIO(output(built, "a", "-o", "-"))) as archive:
        made = archive.extractfile("made")
        assert made is not None
        assert made.read() == b"made\n"


def test_in_a_build_file(built: Mkbuild) -> None:
    file = built.directory / "BUILD.yaml"
    text = "version: 1\nimages: {a: {context: ., outputs: [{type: %s, dest: '-'}]}}\n"
    file.write_text(text % "oci")
    with tarfile.open(fileobj=io.BytesIO(output(built, "a"))) as archive:
        assert "index.json" in archive.getnames()
    file.write_text(text % "local")
    done = built.run("a")
    assert done.returncode == 2
    assert "BUILD.yaml:2" in done.stderr
    assert "- is standard output, which takes an archive and no directory" in done.stderr


def test_a_cache_from_one_machine_to_the_next(built: Mkbuild, tmp_path: Path) -> None:
    fresh = Mkbuild(built.directory, tmp_path / "fresh")
    subprocess.run(
        fresh.command("cache", "import", "-"),
        cwd=fresh.directory,
        env=fresh.env,
        input=output(built, "cache", "export", "-"),
        check=True,
    )
    fresh.registries = built.registries
    plan = json.loads(fresh.run("plan", "a", "--json").stdout)
    assert {step["status"] for step in plan["targets"]["a"]} == {"hit-local"}


@pytest.mark.parametrize("args", [["a", "-o", "-"], ["cache", "export", "-"]])
def test_no_archive_to_a_terminal(built: Mkbuild, args: list[str]) -> None:
    terminal, ours = pty.openpty()
    try:
        done = subprocess.run(
            built.command(*args),
            cwd=built.directory,
            env=built.env,
            stdout=ours,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(terminal)
        os.close(ours)
    assert done.returncode == 1
    assert "error: standard output is a terminal" in done.stderr
