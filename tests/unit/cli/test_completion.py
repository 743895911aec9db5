"""Completion, asked as the shells' scripts ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.engine.log import VERSION, Log
from tests.support import runs
from tests.support.terminal import PROMPT, type_into

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
    empty: dict[str, object] = {name: {} for name in ("steps", "order", "bases", "images")}
    document = runs.document() | empty | {"version": VERSION, "workspace": "/w"}
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


SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {
    "bash": 'eval "$(mkbuild completion bash)"; bind "set bell-style none"',
    "zsh": 'autoload -U compinit; compinit -D -u; eval "$(mkbuild completion zsh)"; unsetopt BEEP',
    "fish": "mkbuild completion fish | source",
}


TYPED = {
    "mkbuild build ap\ti": "build api",
    "mkbuild list @ba\t": "list @back",
    "mkbuild list //web:fr\t": "list //web:front",
    "mkbuild build --keep-g\t": "build --keep-going",
    "mkbuild que\t": "query",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_real_shells(workspace: Path, shell: str) -> None:
    """Whatever is typed ends in the arguments that mkbuild is called with."""
    (workspace / "BUILD.yaml").write_text(
        "version: 1\ninclude: [web/BUILD.yaml]\n"
        "images: {api: {context: .}, app: {context: .}}\ngroups: {back: [api]}\n"
    )
    (workspace / "web").mkdir()
    (workspace / "web" / "BUILD.yaml").write_text("version: 1\nimages: {front: {context: .}}\n")
    program = workspace / "bin" / "mkbuild"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f'[ -n "$_MKBUILD_COMPLETE" ] || [ "$1" = completion ] || '
        f'{{ echo "$@" >> {workspace}/called; exit; }}\n'
        f'exec "{sys.executable}" -m mkbuild "$@"\n'
    )
    program.chmod(0o755)
    env = {
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(workspace),
        "TERM": "xterm",
        "PS1": PROMPT,
    }
    prompt = f"function fish_prompt; echo -n '{PROMPT}'; end; " if shell == "fish" else ""
    first = [*SHELLS[shell], "-C", prompt] if shell == "fish" else SHELLS[shell]
    type_into(first, "\n".join([SETUP[shell], *TYPED, "exit"]), cwd=workspace, env=env)
    assert (workspace / "called").read_text().splitlines() == list(TYPED.values())
