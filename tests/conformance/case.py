"""A case: a Dockerfile, its context, and what BuildKit makes of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from mkbuild.errors import MkbuildError
from tests.support import images
from tests.support.bases import bases
from tests.support.computer import Computer

Content = str | bytes | tuple[int, str] | Callable[[Path], None]
"""A file of mode 644, one of another mode, or what makes it at its path."""


@dataclass(frozen=True)
class Case:
    """What is built, and what must come of it.

    ``tree``: all that differs from busybox, or from nothing where the last stage is from scratch,
    as tests.support.images renders it; None where only the config is of interest.
    ``config``: members of the container config, None for one that is not there. ``history``: the
    lines above the base's. ``fails``: a pattern in the error; the build must then fail.
    """

    dockerfile: str
    context: Mapping[str, Content] = field(default_factory=dict)
    flags: Sequence[str] = ()
    tree: Mapping[str, str | None] | None = None
    config: Mapping[str, object] = field(default_factory=dict)
    history: Sequence[str] | None = None
    fails: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the last stage begins with nothing."""
        bases = re.findall(r"^\ufeff?FROM (\S+)", self.dockerfile, re.IGNORECASE | re.MULTILINE)
        return bool(bases) and bases[-1] == "scratch"


class Bench:
    """Builds cases on one computer, and compares."""

    def __init__(self, computer: Computer) -> None:
        """Use a computer."""
        self.computer = computer

    @cached_property
    def busybox(self) -> images.Image:
        """What busybox is."""
        return images.load(bases("busybox") / "library" / "busybox", "latest")

    def build(self, case: Case, directory: Path) -> images.Image:
        """Build a case in an empty directory; raises MkbuildError."""
        context = directory / "context"
        context.mkdir()
        put(context, {"Dockerfile": case.dockerfile, **case.context})
        out = directory / "out"
        output = f"type=oci,dest={out},tar=false"
        flags = [flag.format(context=context, directory=directory) for flag in case.flags]
        self.computer.build(context, ".", "--output", output, *flags)
        return images.load(out)

    def check(self, case: Case, directory: Path) -> None:
        """Build a case and compare it with what it must be."""
        if case.fails:
            with pytest.raises(MkbuildError) as caught:
                self.build(case, directory)
            error = f"{caught.value.message}\n{caught.value.hint or ''}"
            assert re.search(case.fails, error), error
            return
        image = self.build(case, directory)
        base = images.Image({}, {}, 0) if case.is_empty else self.busybox
        if case.tree is not None:
            found = images.difference(image.tree, base.tree)
            assert found == dict(case.tree), found
        assert _members(image.config, case.config) == _members(case.config, case.config)
        if case.history is not None:
            assert image.history[len(base.history) :] == list(case.history)
        told = [line for line in image.document["history"] if not line.get("empty_layer")]
        assert len(told) == image.layers == len(image.document["rootfs"]["diff_ids"])


def _members(config: Mapping[str, Any], names: Mapping[str, object]) -> dict[str, object]:
    return {name: config.get(name) or None for name in names}


def put(directory: Path, files: Mapping[str, Content]) -> None:
    """Write files with usual modes, whatever the umask is."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        if callable(content):
            content(path)
            continue
        mode, text = content if isinstance(content, tuple) else (0o644, content)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)


def link(target: str) -> Callable[[Path], None]:
    """Return what makes a symlink."""
    return lambda path: path.symlink_to(target)


def directory(mode: int) -> Callable[[Path], None]:
    """Return what makes an empty directory."""

    def make(path: Path) -> None:
        path.mkdir()
        path.chmod(mode)

    return make
