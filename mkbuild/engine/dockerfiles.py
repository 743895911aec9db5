"""The Dockerfiles of targets, read from disk and parsed once each."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mkbuild.buildfile.target import GitContext, Target
from mkbuild.dockerfile import parser
from mkbuild.dockerfile.instructions import Dockerfile
from mkbuild.errors import DockerfileError
from mkbuild.store.reading import MAX_BYTES, read_limited


class Dockerfiles:
    """Reads Dockerfiles; places in them are shown as they are seen from ``directory``."""

    def __init__(self, directory: Path, checkout: Callable[[GitContext], Path]) -> None:
        """``checkout``: makes the files of a git context; raises PullError."""
        self._directory = directory
        self._checkout = checkout
        self._known: dict[str, Dockerfile] = {}
        self.paths: list[str] = []
        """Files that were read."""

    @property
    def labels(self) -> frozenset[str]:
        """Targets whose Dockerfile somebody asked for."""
        return frozenset(self._known)

    def read(self, target: Target) -> Dockerfile:
        """Return a target's Dockerfile; raises DockerfileError where that cannot be done."""
        if target.label not in self._known:
            self._known[target.label] = self._parse(target)
        return self._known[target.label]

    def _parse(self, target: Target) -> Dockerfile:
        if target.dockerfile_inline is not None:
            return self._inline(target, target.dockerfile_inline)
        path = Path(target.dockerfile)
        if isinstance(target.context, GitContext) and not path.is_absolute():
            path = self._checkout(target.context) / path
        try:
            data = read_limited(path, MAX_BYTES)
        except OSError as error:
            raise DockerfileError(
                f"cannot read the Dockerfile of {target.label}: {path}: {error.strerror}",
                location=target.location,
                hint="dockerfile: in the build file (or -f) says where it is",
            ) from error
        self.paths.append(str(path))
        return parser.parse(data, self.display(path))

    def _inline(self, target: Target, text: str) -> Dockerfile:
        """Parse it at its lines of the build file; where these are others, below the target's name.

        What is in quotes, folded, or behind an alias does not stand in the file as it is.
        """
        key = target.inline_at
        if key is not None:
            with suppress(OSError):
                written = read_limited(key.file, MAX_BYTES).decode("utf-8", "replace").split("\n")
                margin = _margin(written[key.line :], text.rstrip("\n").split("\n"))
                if margin is not None:
                    file = self.display(Path(key.file))
                    return parser.parse(text, file, key.line + 1, margin + 1)
        return parser.parse(text, f"{self.display(Path(target.file))}:{target.label}")

    def display(self, path: Path) -> str:
        """Show a path as short as it is from where the user stands."""
        here = self._directory
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _margin(written: list[str], lines: list[str]) -> int | None:
    """Return by how much lines are indented in what was written, None where that is other text."""
    first = written[0] if written else ""
    margin = len(first) - len(first.lstrip(" "))
    found = [line[margin:].rstrip("\r") for line in written[: len(lines)]]
    return margin if found == lines else None
