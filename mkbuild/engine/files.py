"""The disk and git as build files see them (``mkbuild.buildfile.files``)."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from mkbuild.store.reading import MAX_BYTES, read_limited

_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "sha": ("rev-parse", "--verify", "HEAD"),
    "short_sha": ("rev-parse", "--verify", "--short", "HEAD"),
    "describe": ("describe", "--tags", "--always", "--dirty"),
    "branch": ("symbolic-ref", "--short", "--quiet", "HEAD"),
    "tag": ("describe", "--tags", "--exact-match", "HEAD"),
    "dirty": ("status", "--porcelain"),
}


class DiskFiles:
    """Files of this machine; remembers which it was asked for, and whether they were there."""

    def __init__(self) -> None:
        """Begin with no question asked."""
        self.looked: dict[str, bool] = {}
        self.globs: set[tuple[str, str]] = set()
        """Directories, and the patterns that were looked for below them."""

    def read(self, path: str) -> bytes:
        """Return a file's contents; raises OSError where that cannot be done."""
        data = read_limited(path, MAX_BYTES)
        self.looked[path] = True
        return data

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or directory."""
        found = Path(path).exists()
        self.looked[path] = found
        return found

    def glob(self, directory: str, pattern: str) -> list[str]:
        """Return the absolute paths below a directory that match a relative pattern, any order."""
        self.globs.add((directory, pattern))
        return [str(path) for path in Path(directory).glob(pattern)]


class Git:
    """Facts about the checkout that holds a directory; each is asked of git at most once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, str | None] = {}

    def __call__(self, fact: str) -> str | None:
        """Answer ``sha short_sha describe branch tag dirty``; None where there is no answer."""
        if fact not in self._known:
            self._known[fact] = self._ask(fact)
        return self._known[fact]

    def _ask(self, fact: str) -> str | None:
        output = self.run(*_COMMANDS[fact])
        if fact == "dirty":
            return None if output is None else str(bool(output)).lower()
        return output or None

    def run(self, *arguments: str) -> str | None:
        """Run git; None where it fails, where there is no checkout, and where there is no git.

        Optional locks are not taken: asking must not change a checkout that is also a context.
        """
        try:
            done = subprocess.run(
                ["git", "--no-optional-locks", "-C", str(self._directory), *arguments],
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
            )
        except FileNotFoundError:
            return None
        return done.stdout.strip() if done.returncode == 0 else None
