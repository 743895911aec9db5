"""Sources of an ADD that have to be fetched: URLs and git repositories.

What fetches them is imported where it is needed: most builds fetch nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mkbuild.context.digests import FileDigests
from mkbuild.context.scan import scan
from mkbuild.errors import StepError
from mkbuild.execute import gitref
from mkbuild.filesystem.source import SourceTree
from mkbuild.plan.actions import AddStep


def is_git(source: str) -> bool:
    """Whether a source is a git repository. Raises StepError where it is one, written wrongly."""
    return gitref.parse(source) is not None


def is_remote(source: str) -> bool:
    """Whether a source has to be fetched."""
    return source.startswith(("http://", "https://")) or is_git(source)


def fetch(step: AddStep, source: str, scratch: Path) -> SourceTree:
    """Fetch a source into an empty directory of ours. Raises PullError, StepError."""
    from mkbuild.execute.download import download

    ref = gitref.parse(source)
    if ref is None:
        return download(source, step.checksum, scratch)
    return git_tree(with_flags(ref, step), scratch)


def git_tree(
    ref: gitref.GitRef, scratch: Path, found: Callable[[str], None] = lambda _: None
) -> SourceTree:
    """Check a repository out into an empty directory of ours, and walk it (see git.checkout)."""
    from mkbuild.execute.git import checkout

    place = checkout(ref, scratch, found)
    # Digests of a tree that is read once are not worth remembering: trouble with them neither.
    digests = FileDigests(scratch / "digests.sqlite", warn=lambda _: None)
    return scan(place, None, digests)


def with_flags(ref: gitref.GitRef, step: AddStep) -> gitref.GitRef:
    """Return what an ADD's flags make of a reference; raises StepError where they disagree."""
    if step.checksum:
        if ref.checksum not in {"", step.checksum}:
            raise StepError(f"checksum mismatch {step.checksum!r} != {ref.checksum!r}")
        ref = replace(ref, checksum=step.checksum)
    if step.keep_git_dir:
        if ref.keep_git_dir is False:
            raise StepError("--keep-git-dir, and a URL that says the opposite")
        ref = replace(ref, keep_git_dir=True)
    return ref
