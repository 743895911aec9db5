"""Files that a run leaves where the user wants them: whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from mkbuild.errors import BuildError


def write_text(path: Path, text: str | bytes) -> None:
    """Write a file in one piece; raises BuildError."""
    with replacing(path) as stream:
        stream.write(text.encode() if isinstance(text, str) else text)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside its place, and put it there when it is whole; raises BuildError."""
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                yield stream
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise BuildError(message) from error
