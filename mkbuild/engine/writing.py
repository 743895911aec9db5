"""Files that a run leaves where the user wants them: whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mkbuild.buildfile.target import STDOUT
from mkbuild.errors import BuildError


def write_text(path: Path, text: str | bytes) -> None:
    """Write a file in one piece; raises BuildError."""
    with replacing(path) as stream:
        stream.write(text.encode() if isinstance(text, str) else text)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place, and put it there when it is whole; raises BuildError.

    A file that is there keeps its mode; behind a symlink, the file that it leads to is replaced.
    What is no file (a pipe, a device) and standard output are written to as they are.
    """
    try:
        if str(path) == STDOUT:
            if os.isatty(1):
                message = "standard output is a terminal, which an archive would upset"
                raise BuildError(message, hint="send it on: > FILE or | COMMAND")
            with os.fdopen(os.dup(1), "wb") as stream:
                yield stream
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file() and not path.is_dir():
            with path.open("wb") as stream:
                yield stream
            return
        place = path.resolve()
        partial = place.parent / f".{place.name}.{os.getpid()}.partial"
        try:
            with partial.open("wb") as stream:
                yield stream
            if place.is_file():
                partial.chmod(place.stat().st_mode & 0o7777)
            partial.rename(place)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise BuildError(message) from error
