"""Sources of an ADD that have to be fetched."""

from pathlib import Path

from mkbuild.filesystem.source import SourceTree
from mkbuild.plan.actions import AddStep


def is_git(source: str) -> bool:
    return False


def is_remote(source: str) -> bool:
    return source.startswith(("http://", "https://")) or is_git(source)


def path_in(source: str) -> str:
    return ""


def fetch(step: AddStep, source: str, scratch: Path) -> SourceTree:
    raise NotImplementedError
