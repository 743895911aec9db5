"""BUILD.lock: what tags, URLs and git refs stood for, so that every machine builds from the same.

It lies beside the root build file and is written by ``mkbuild lock``. A pinned tag is never
resolved; a URL whose bytes are others than the pinned ones is an error.
"""

import threading
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from mkbuild.digest import Digest
from mkbuild.errors import BuildFileError, DriftError
from mkbuild.frozen import frozen
from mkbuild.location import Location
from mkbuild.oci.model import Platform
from mkbuild.oci.reference import Reference
from mkbuild.store.reading import MAX_BYTES, read_limited

LOCK_FILE = "BUILD.lock"
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
        from mkbuild.engine.lockfile import render

        return render(self.images, self.urls, self.git)


def read(path: Path) -> Lock | None:
    """Read a lock file; None where there is none. Raises BuildFileError."""
    try:
        data = read_limited(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BuildFileError(f"cannot read {path}: {error.strerror}") from error
    from mkbuild.engine.lockfile import parse  # most workspaces have none, and need no YAML here

    return Lock(*parse(data, str(path)))


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
