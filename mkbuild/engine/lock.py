"""BUILD.lock: what tags, URLs and git refs stood for, so that every machine builds from the same.

It lies beside the root build file and is written by ``mkbuild lock``. A pinned tag is never
resolved; a URL whose bytes are others than the pinned ones is an error.
"""

import threading
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import yaml

from mkbuild import digest as digests
from mkbuild.buildfile import yaml as nodes
from mkbuild.digest import Digest
from mkbuild.errors import BuildFileError, DriftError
from mkbuild.execute.gitref import is_commit
from mkbuild.frozen import frozen
from mkbuild.location import Location
from mkbuild.oci.model import Platform
from mkbuild.oci.reference import Reference
from mkbuild.store.reading import MAX_BYTES, read_limited

LOCK_FILE = "BUILD.lock"
VERSION = 1
_HEADER = """\
# What base images, URLs and git refs stood for. Written by mkbuild lock: do not edit by hand.
# mkbuild lock adds what is missing, mkbuild lock --update NAME asks anew what NAME stands for.
"""
_UPDATE = "mkbuild lock brings it up to date"


@frozen
class Lock:
    """What is pinned.

    ``images``: by full reference, then by platform, the digest of the image's manifest. ``urls``:
    the digest of each URL's bytes. ``git``: by ``remote#ref`` the hash of the commit.
    """

    images: Mapping[str, Mapping[str, Digest]] = field(default_factory=dict)
    urls: Mapping[str, Digest] = field(default_factory=dict)
    git: Mapping[str, str] = field(default_factory=dict)

    def render(self) -> str:
        """Return the file's text: the same pins always give the same text."""
        document: dict[str, Any] = {"version": VERSION}
        if self.images:
            document["images"] = {
                name: dict(sorted(pins.items())) for name, pins in sorted(self.images.items())
            }
        if self.urls:
            document["urls"] = dict(sorted(self.urls.items()))
        if self.git:
            document["git"] = dict(sorted(self.git.items()))
        text = yaml.safe_dump(document, sort_keys=False, width=1000)
        return _HEADER + text


def read(path: Path) -> Lock | None:
    """Read a lock file; None where there is none. Raises BuildFileError."""
    try:
        data = read_limited(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BuildFileError(f"cannot read {path}: {error.strerror}") from error
    try:
        return _parse(nodes.parse(data, str(path)))
    except BuildFileError as error:
        raise _no_lock(error.message, error.location or Location(str(path))) from error
    except (ValueError, TypeError) as error:
        raise _no_lock(str(error), Location(str(path))) from error


def _no_lock(why: str, location: Location) -> BuildFileError:
    hint = "remove it, and let mkbuild lock write it anew"
    return BuildFileError(f"this is no lock file: {why}", location=location, hint=hint)


def _parse(tree: nodes.Node | None) -> Lock:
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
    return Lock(images, urls, git)


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


class Pins:
    """A lock in use: answers what is pinned, and remembers what was asked. Thread-safe.

    ``strict``: what is not pinned is a DriftError (``--locked``).
    """

    def __init__(self, lock: Lock | None = None, *, strict: bool = False) -> None:
        """Without a lock nothing is pinned."""
        self.lock = lock or Lock()
        self.strict = strict
        self._lock = threading.Lock()
        self.images: dict[str, dict[str, Digest]] = {}
        self.urls: dict[str, Digest] = {}
        self.git: dict[str, str] = {}

    def image(self, reference: Reference, platform: Platform) -> Reference:
        """Return a reference with its digest where it is pinned, else as it is."""
        if reference.digest is not None:
            return reference
        pin = self.lock.images.get(str(reference), {}).get(str(platform))
        if pin is None:
            self._refuse(f"{reference.familiar()} for {platform}")
            return reference
        return reference.with_digest(pin)

    def found_image(self, reference: Reference, platform: Platform, digest: Digest) -> None:
        """Remember the manifest that a tag turned out to stand for."""
        if reference.digest is None:
            with self._lock:
                self.images.setdefault(str(reference), {})[str(platform)] = digest

    def check_url(self, url: str, digest: Digest, location: Location) -> None:
        """Compare what a URL gave with what is pinned, and remember it; raises DriftError."""
        pin = self.lock.urls.get(url)
        if pin is None:
            self._refuse(url)
        elif pin != digest:
            raise DriftError(
                f"{url} is {digest} now, and {pin} in {LOCK_FILE}",
                location=location,
                hint=f"where that is meant: mkbuild lock --update '{url}'",
            )
        with self._lock:
            self.urls[url] = digest

    def commit(self, remote: str, ref: str) -> str | None:
        """Return the commit that a ref of a repository is pinned to."""
        pin = self.lock.git.get(f"{remote}#{ref}")
        if pin is None:
            self._refuse(f"{ref or 'the default branch'} of {remote}")
        return pin

    def found_commit(self, remote: str, ref: str, commit: str) -> None:
        """Remember the commit that a ref turned out to stand for."""
        with self._lock:
            self.git[f"{remote}#{ref}"] = commit

    def seen(self) -> Lock:
        """Return all that was asked for, with what it stood for."""
        return Lock(self.images, self.urls, self.git)

    def _refuse(self, what: str) -> None:
        if self.strict:
            raise DriftError(f"{what} is not in {LOCK_FILE}", hint=_UPDATE)


def open_pins(locked: bool | None, directory: str | None, env: Mapping[str, str]) -> Pins:  # noqa: FBT001 -- a flag with three states
    """Return the pins of the lock in a workspace's directory, None for a lone Dockerfile.

    ``locked`` insists on it, False ignores it; None insists under CI, where there is a lock.
    Raises DriftError where one is insisted on that is not there.
    """
    if locked is False:
        return Pins()
    lock = None if directory is None else read(Path(directory) / LOCK_FILE)
    if lock is None:
        if locked:
            message = f"--locked, and there is no {LOCK_FILE}"
            raise DriftError(message, hint="mkbuild lock writes it")
        return Pins()
    return Pins(lock, strict=env.get("CI") in {"true", "1"} if locked is None else locked)
