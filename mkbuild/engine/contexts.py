"""Build contexts of the targets of one invocation, each directory walked once."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mkbuild.buildfile.target import DirectoryContext, GitContext, Target
from mkbuild.context.digests import FileDigests
from mkbuild.context.ignore import Ignore
from mkbuild.context.scan import ContextTree, scan
from mkbuild.errors import BuildFileError, UserError
from mkbuild.plan.actions import CONTEXT, ContextInput


@dataclass(frozen=True, slots=True)
class Context:
    """A context that has been walked, and what its .dockerignore leaves out."""

    directory: Path
    tree: ContextTree
    ignore: Ignore | None


Checkout = Callable[[GitContext], Path]
"""Makes a git context's files; raises PullError."""


class Contexts:
    """Walks contexts when somebody first asks for them; thread-safe."""

    def __init__(
        self, targets: Mapping[str, Target], digests: FileDigests, checkout: Checkout
    ) -> None:
        """Know the targets; nothing is read yet."""
        self._targets = targets
        self._digests = digests
        self._checkout = checkout
        self._walked: dict[tuple[str, str], Context] = {}
        self._lock = threading.Lock()
        self.looked: dict[str, bool] = {}
        """Ignore files that were looked for, and whether they were there."""

    def get(self, source: ContextInput) -> Context:
        """Return a context; raises UserError where it cannot be read."""
        directory = self.directory(source)
        name, text = self._ignore_file(source)
        with self._lock:
            found = self._walked.get((str(directory), text))
            if found is None:
                rules = Ignore.parse(text, name) if text else None
                found = Context(directory, scan(directory, rules, self._digests), rules)
                self._walked[str(directory), text] = found
        return found

    def rules(self, source: ContextInput) -> tuple[str, Ignore | None]:
        """Return a context's ignore file, and what it leaves out; empty where there is none."""
        name, text = self._ignore_file(source)
        return name, Ignore.parse(text, name) if text else None

    def _ignore_file(self, source: ContextInput) -> tuple[str, str]:
        """Return path and text of a context's ignore file, empty where there is none."""
        target, directory = self._targets[source.target], self.directory(source)
        own = source.name == CONTEXT and target.dockerfile_inline is None
        dockerfile = target.dockerfile if own else None
        found = ignore_file(directory, dockerfile)
        for path in ignore_files(directory, dockerfile):
            self.looked[str(path)] = found is not None and found[0] == str(path)
            if self.looked[str(path)]:
                break
        return found or ("", "")

    def walked(self) -> list[Context]:
        """Return the contexts that were walked."""
        return list(self._walked.values())

    def tree(self, source: ContextInput) -> ContextTree:
        """Return a context's tree."""
        return self.get(source).tree

    def directory(self, source: ContextInput) -> Path:
        """Return a context's directory on this machine."""
        target = self._targets[source.target]
        context = target.context if source.name == CONTEXT else target.contexts[source.name]
        match context:
            case DirectoryContext(path):
                return Path(path)
            case GitContext():
                return self._checkout(context)
            case _:
                message = f"context {source.name} of {source.target} is no directory"
                raise BuildFileError(message, location=target.location)


def ignore_files(directory: Path, dockerfile: str | None) -> list[Path]:
    """Return where to look for an ignore file, in order.

    ``<Dockerfile>.dockerignore`` (for the main context only) goes before ``.dockerignore``.
    """
    names = [Path(f"{dockerfile}.dockerignore")] if dockerfile else []
    return [*names, directory / ".dockerignore"]


def ignore_file(directory: Path, dockerfile: str | None) -> tuple[str, str] | None:
    """Return path and text of what says what a context leaves out; None where nothing does."""
    for path in ignore_files(directory, dockerfile):
        try:
            return str(path), path.read_text(encoding="utf-8", errors="surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            hint = "it says what the context leaves out: make it readable, or remove it"
            raise UserError(message, hint=hint) from error
    return None
