"""Completion, asked as the shells' scripts ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.engine.log import VERSION, Log

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "BUILD.yaml").write_text(
        "version: 1\nimages: {api: {context: .}, app: {context: .}}\ngroups: {back: [api]}\n"
    )
    return tmp_path


def complete(words: str, directory: Path) -> set[str]:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "_MKBUILD_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-m", "mkbuild"],
        cwd=directory,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line.partition(",")[2] for line in done.stdout.splitlines() if line}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("mkbuild ap", {"api", "app"}),
        ("mkbuild que", {"query"}),
        ("mkbuild build @b", {"@back"}),
        ("mkbuild build !ap", {"!api", "!app"}),
        ("mkbuild build ...ap", {"...api", "...app"}),
        ("mkbuild build --keep", {"--keep-going"}),
        ("mkbuild --keep", {"--keep-going"}),
        ("mkbuild --progress pl", {"plain"}),
        ("mkbuild list ap", {"api", "app"}),
        ("mkbuild build zzz", set()),
    ],
)
def test_words(workspace: Path, words: str, found: set[str]) -> None:
    assert complete(words, workspace) == found


def test_runs(workspace: Path, tmp_path: Path) -> None:
    log = Log(tmp_path / "store")
    document = {"version": VERSION, "seconds": 1.0, "workspace": "/w"}
    for name in ("20231114T221320.250-7", "20240101T000000.000-8"):
        log.write(name, document)
    storage = f"--storage {tmp_path / 'store'}"
    assert complete("mkbuild log w", workspace) == {"what-ran"}
    assert complete("mkbuild log ap", workspace) == {"api", "app"}
    assert complete(f"mkbuild log {storage} what-ran 2023", workspace) == {"20231114T221320.250-7"}
    assert "latest" in complete(f"mkbuild log {storage} critical-path l", workspace)


def test_nothing_where_the_build_file_is_broken(workspace: Path) -> None:
    (workspace / "BUILD.yaml").write_text("images: [")
    assert complete("mkbuild build ap", workspace) == set()


def test_a_real_bash(workspace: Path) -> None:
    program = workspace / "bin" / "mkbuild"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mkbuild "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(mkbuild completion bash)"\n'
        "complete -p mkbuild\n"
        "COMP_WORDS=(mkbuild build ap); COMP_CWORD=2; _mkbuild_completion mkbuild ap build\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{program.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-2:] == ["api", "app"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells(shell: str, workspace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkbuild", "completion", shell],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "_MKBUILD_COMPLETE" in done.stdout
