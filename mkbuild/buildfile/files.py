"""What a build file needs of the world: files, and facts about the git checkout."""

from typing import Protocol


class Files(Protocol):
    """The files of a workspace; paths are absolute and use ``/``."""

    def read(self, path: str) -> bytes:
        """Return a file's contents; raises OSError where that cannot be done."""
        ...

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or directory."""
        ...

    def glob(self, directory: str, pattern: str) -> list[str]:
        """Return the absolute paths below a directory that match a relative pattern, any order."""
        ...


class GitFacts(Protocol):
    """Answers questions about the checkout that holds the workspace, only when asked."""

    def __call__(self, fact: str) -> str | None:
        """Answer ``sha short_sha describe branch tag dirty``; None where there is no answer."""
        ...
