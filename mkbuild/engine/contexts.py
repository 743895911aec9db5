"""Build contexts of the targets of one invocation, each directory walked once at most."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.buildfile.target import DirectoryContext, GitContext, Target
from mkbuild.context.digests import FileDigests
from mkbuild.context.ignore import Ignore
from mkbuild.context.scan import ContextTree, View, scan
from mkbuild.digest import Digest
from mkbuild.engine.walks import Identity, Walk, identity
from mkbuild.errors import BuildFileError, StepError, UserError
from mkbuild.execute.select import Filters, Selection
from mkbuild.frozen import frozen
from mkbuild.plan.actions import CONTEXT, ContextInput
from mkbuild.store.reading import MAX_BYTES, read_limited


@frozen
class Context:
    """A context that has been walked, what its .dockerignore leaves out, and what steps select."""

    directory: Path
    tree: ContextTree
    ignore: Ignore | None
    selections: dict[tuple[tuple[str, ...], Filters], Selection] = field(default_factory=dict)


Which = tuple[str, str]
"""A context's directory, and the text of its ignore file."""

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
        self.walked: dict[Which, Context] = {}
        """The contexts that were walked."""
        self.standing: dict[Which, Walk] = {}
        """Contexts as an earlier build found them, which may have changed since."""
        self.parts: dict[Which, dict[str, Digest]] = {}
        """What steps select of contexts, by the steps' signatures."""
        self._believed: set[Which] = set()
        self._ignored: dict[ContextInput, tuple[str, str]] = {}
        self._lock = threading.Lock()
        self.looked: dict[str, bool] = {}
        """Ignore files that were looked for, and whether they were there."""
        self.views: Mapping[str, View] = {}
        """By directory, what lists it where it is not all real (see mkbuild.engine.revision)."""

    def get(self, source: ContextInput) -> Context:
        """Return a context; raises UserError where it cannot be read.

        Raises StepError where it was believed to stand, and has changed since.
        """
        directory = self.directory(source)
        name, text = self._ignore_file(source)
        which = str(directory), text
        with self._lock:
            found = self.walked.get(which)
            if found is None:
                rules = Ignore.parse(text, name) if text else None
                view = self.views.get(str(directory))
                found = Context(directory, scan(directory, rules, self._digests, view), rules)
                if which in self._believed:
                    _require_same(found, self.standing[which])
                self.walked[which] = found
        return found

    def rules(self, source: ContextInput) -> tuple[str, Ignore | None]:
        """Return a context's ignore file, and what it leaves out; empty where there is none."""
        name, text = self._ignore_file(source)
        return name, Ignore.parse(text, name) if text else None

    def _ignore_file(self, source: ContextInput) -> tuple[str, str]:
        """Return path and text of a context's ignore file, read once; empty where there is none."""
        if source in self._ignored:
            return self._ignored[source]
        target, directory = self._targets[source.target], self.directory(source)
        own = source.name == CONTEXT and target.dockerfile_inline is None
        dockerfile = target.dockerfile if own else None
        found = ignore_file(directory, dockerfile)
        for path in ignore_files(directory, dockerfile):
            self.looked[str(path)] = found is not None and found[0] == str(path)
            if self.looked[str(path)]:
                break
        return self._ignored.setdefault(source, found or ("", ""))

    def believe(self, walks: Iterable[Walk]) -> None:
        """Take parts from contexts as an earlier build found them, where nothing has changed."""
        self.standing = {(walk.directory, walk.ignored): walk for walk in walks}

    def part(self, source: ContextInput, step: object, compute: Callable[[], Digest]) -> Digest:
        """Digest what a step selects of a context: ``compute`` says it, where nobody did before.

        The step's representation must tell all that the digest depends on besides the context.
        """
        which = str(self.directory(source)), self._ignore_file(source)[1]
        signature = digests.of(repr(step).encode("utf-8", "surrogateescape"))
        parts = self.parts.setdefault(which, {})
        if signature not in parts:
            walk = self.standing.get(which) if which not in self.walked else None
            if walk is not None and signature in walk.parts and walk.stands():
                self._believed.add(which)
                parts[signature] = walk.parts[signature]
            else:
                parts[signature] = compute()
        return parts[signature]

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


def _require_same(context: Context, walk: Walk) -> None:
    """Refuse a context that is not what its parts were taken from: keys would name other bytes."""
    if not walk.is_of(found_in(context.tree)):
        message = f"the context {context.directory} changed while it was being read"
        raise StepError(message, hint="build again when nothing writes to the build context")


def found_in(tree: ContextTree) -> dict[str, Identity]:
    """Return what a walk found, by its place; the context's own directory first."""
    return {
        f"{tree.root}/{path}" if path else str(tree.root): identity(status)
        for path, status in tree.walked.items()
    }


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
            return str(path), read_limited(path, MAX_BYTES).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            message = f"cannot read {path}: {error.strerror}"
            hint = "it says what the context leaves out: make it readable, or remove it"
            raise UserError(message, hint=hint) from error
    return None
