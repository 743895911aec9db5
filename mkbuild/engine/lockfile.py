"""The text of BUILD.lock: YAML in one order, so that a diff shows what changed."""

from collections.abc import Mapping
from typing import Any

import yaml

from mkbuild import digest as digests
from mkbuild.buildfile import yaml as nodes
from mkbuild.digest import Digest
from mkbuild.errors import BuildFileError
from mkbuild.execute.gitref import is_commit
from mkbuild.location import Location

VERSION = 1
_HEADER = """\
# What base images, URLs and git refs stood for. Written by mkbuild lock: do not edit by hand.
# mkbuild lock adds what is missing, mkbuild lock --update NAME asks anew what NAME stands for.
"""

Images = Mapping[str, Mapping[str, Digest]]
Parsed = tuple[Images, Mapping[str, Digest], Mapping[str, str]]
"""The members of :class:`mkbuild.engine.lock.Lock`."""


def render(images: Images, urls: Mapping[str, Digest], git: Mapping[str, str]) -> str:
    """Return the file's text: the same pins always give the same text."""
    document: dict[str, Any] = {"version": VERSION}
    if images:
        document["images"] = {
            name: dict(sorted(pins.items())) for name, pins in sorted(images.items())
        }
    if urls:
        document["urls"] = dict(sorted(urls.items()))
    if git:
        document["git"] = dict(sorted(git.items()))
    text = yaml.safe_dump(document, sort_keys=False, width=1000)
    return _HEADER + text


def parse(data: bytes, file: str) -> Parsed:
    """Read the file's bytes; raises BuildFileError."""
    try:
        return _parse(nodes.parse(data, file))
    except BuildFileError as error:
        raise _no_lock(error.message, error.location or Location(file)) from error
    except (ValueError, TypeError) as error:
        raise _no_lock(str(error), Location(file)) from error


def _no_lock(why: str, location: Location) -> BuildFileError:
    hint = "remove it, and let mkbuild lock write it anew"
    return BuildFileError(f"this is no lock file: {why}", location=location, hint=hint)


def _parse(tree: nodes.Node | None) -> Parsed:
    document = _members(tree)
    version = document.get("version")
    if not isinstance(version, nodes.Scalar) or version.text != str(VERSION):
        found = version.text if isinstance(version, nodes.Scalar) else version and "no text"
        raise ValueError(f"its version is {found}, not {VERSION}")
    images = {
        name: {platform: digests.parse(pin) for platform, pin in _texts(pins).items()}
        for name, pins in _members(document.get("images")).items()
    }
    urls = {url: digests.parse(pin) for url, pin in _texts(document.get("urls")).items()}
    git = _texts(document.get("git"))
    for name, commit in git.items():
        if not is_commit(commit):
            raise ValueError(f"{commit!r}, of {name}, is no commit's hash")
    return images, urls, git


def _members(node: nodes.Node | None) -> dict[str, nodes.Node]:
    if node is None or (isinstance(node, nodes.Scalar) and node.null):
        return {}
    if not isinstance(node, nodes.Mapping):
        raise TypeError(f"line {node.location.line} is no mapping")
    return {key: value for key, (_, value) in node.entries.items()}


def _texts(node: nodes.Node | None) -> dict[str, str]:
    found = {}
    for key, value in _members(node).items():
        if not isinstance(value, nodes.Scalar):
            raise TypeError(f"{key} is no text")
        found[key] = value.text
    return found
