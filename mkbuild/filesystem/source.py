"""What a COPY, an ADD or a bind mount reads from: a context, or the state of a stage or image."""

from collections.abc import Sequence
from typing import Protocol

from mkbuild.filesystem.index import Index, Located


class SourceTree(Protocol):
    """A filesystem to copy from. Contents are read no earlier than somebody asks for them."""

    @property
    def index(self) -> Index:
        """Every path; entries may lack ``content`` until :meth:`digests` is asked for it."""
        ...

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        """Return the raw SHA-256 of regular files, in their order."""
        ...

    def source(self, file: Located) -> str:
        """Return the path of the file on this machine that holds a regular file's bytes."""
        ...
