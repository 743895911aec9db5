"""The Dockerfiles of targets, read from disk and parsed once each."""

from collections.abc import Callable
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
            return parser.parse(target.dockerfile_inline, f"{target.file}:{target.label}")
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

    def display(self, path: Path) -> str:
        """Show a path as short as it is from where the user stands."""
        here = self._directory
        return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
