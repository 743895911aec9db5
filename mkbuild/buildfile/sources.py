"""Contexts as they are written: directories, git URLs, images, layouts, targets."""

import posixpath
import re

from mkbuild.buildfile.target import (
    STDOUT,
    ContextSource,
    DirectoryContext,
    GitContext,
    ImageContext,
    LayoutContext,
    Output,
    OutputKind,
    TargetContext,
)

_URL = re.compile(r"(https?|git|ssh|file)://|git@[\w.-]+:", re.IGNORECASE)
_OTHER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TAG = re.compile(
    r"(?P<path>.*?)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[\w][\w.-]{0,127}))?\Z"
)


def absolute(path: str, directory: str) -> str:
    """Make a path absolute and plain, seen from a directory."""
    return posixpath.normpath(posixpath.join(directory, path))


def output(kind: OutputKind, dest: str, directory: str, *, tar: bool) -> Output:
    """Make an output's place absolute; ``-`` is standard output. Raises ValueError."""
    if dest != "-":
        return Output(kind, absolute(dest, directory), tar)
    if kind == "local" or not tar:
        raise ValueError("- is standard output, which takes an archive and no directory")
    return Output(kind, STDOUT)


def parse_main(text: str, directory: str) -> DirectoryContext | GitContext:
    """Read a target's own context; raises ValueError."""
    source = parse(text, directory)
    if isinstance(source, DirectoryContext | GitContext):
        return source
    raise ValueError("a target's context is a directory or a git URL")


def parse(text: str, directory: str) -> ContextSource:
    """Read a context; paths are seen from ``directory``. Raises ValueError."""
    if not text:
        raise ValueError("an empty context; write '.' for the build file's directory")
    if text.startswith("target:"):
        return TargetContext(text.removeprefix("target:"))
    if text.startswith("docker-image://"):
        return ImageContext(text.removeprefix("docker-image://"))
    if text.startswith("oci-layout:"):
        return _layout(text.removeprefix("oci-layout:").removeprefix("//"), directory)
    if _URL.match(text):
        return _git(text)
    if _OTHER.match(text):
        raise ValueError("allowed: a directory, a git URL, target:, docker-image://, oci-layout://")
    return DirectoryContext(absolute(text, directory))


def _layout(text: str, directory: str) -> LayoutContext:
    match = _TAG.match(text)
    if not match or not match["path"]:
        raise ValueError("allowed: oci-layout://DIR, oci-layout://DIR:TAG, oci-layout://DIR@DIGEST")
    path = absolute(match["path"], directory)
    return LayoutContext(path, match["tag"] or "", match["digest"] or "")


def _git(text: str) -> GitContext:
    url, hash_, fragment = text.partition("#")
    if url.startswith(("http://", "https://")) and not hash_ and not url.endswith(".git"):
        raise ValueError("not a git URL: one ends in .git, or names a ref: URL#REF[:DIR]")
    ref, _, subdirectory = fragment.partition(":")
    return GitContext(url, ref, posixpath.normpath(subdirectory) if subdirectory else "")
