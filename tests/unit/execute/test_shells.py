"""Which shell is opened, and which programs run without a loader."""

import shutil
import sys
from pathlib import Path

import pytest

from mkbuild.errors import StepError, UsageError
from mkbuild.execute import shells
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index

RIGHTS = 0o755


def index(*paths: str, links: dict[str, str] | None = None, mode: int = RIGHTS) -> Index:
    entries = [toc.Entry(path, toc.FILE, mode) for path in paths]
    entries += [toc.Entry(path, toc.SYMLINK, 0o777, link=to) for path, to in (links or {}).items()]
    return Index().apply(toc.make(entries), "test")


def test_the_order_in_which_they_are_looked_for() -> None:
    there = index("bin/sh", "bin/bash", "usr/bin/fish", "opt/sh")
    assert shells.find_shell(there, {}, None) == "/bin/bash"
    assert shells.find_shell(there, {"SHELL": "/usr/bin/fish"}, None) == "/usr/bin/fish"
    assert shells.find_shell(there, {"SHELL": "/bin/zsh"}, None) == "/bin/bash"
    given = ("/bin/sh", "-ec")
    assert shells.find_shell(there, {"SHELL": "/usr/bin/fish"}, given) == "/bin/sh"
    assert shells.find_shell(index("opt/sh"), {"PATH": "/bin:/opt"}, None) == "/opt/sh"


def test_links_are_followed_and_what_cannot_be_executed_is_none() -> None:
    merged = index("usr/bin/dash", links={"bin": "usr/bin", "usr/bin/sh": "dash"})
    assert shells.find_shell(merged, {"PATH": "/bin"}, None) == "/bin/sh"
    for there in (
        index("bin/sh", mode=0o644),
        index(links={"bin/sh": "gone"}),
        index(links={"bin/sh": "bash", "bin/bash": "sh"}),
        index("bin/sh/below"),
    ):
        with pytest.raises(StepError, match="looked for bash, sh, ash, dash, ksh, zsh"):
            shells.find_shell(there, {}, None)


def test_programs_that_need_a_loader() -> None:
    assert shells.needs_loader(b"#!/bin/sh\n")
    assert shells.needs_loader(Path(sys.executable).resolve().read_bytes())
    place = shutil.which("busybox")
    assert place is not None
    assert not shells.needs_loader(Path(place).read_bytes())
    assert shells.static_busybox() == str(Path(place).resolve())


def test_a_machine_without_a_static_busybox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no busybox on PATH"):
        shells.static_busybox()
    shutil.copy("/bin/ls", tmp_path / "busybox")
    with pytest.raises(UsageError, match="needs a dynamic loader"):
        shells.static_busybox()
