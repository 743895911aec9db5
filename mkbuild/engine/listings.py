"""What each COPY selected, file by file, so that ``why`` can name the file that changed.

One file a selection, named by the digest that stands for it in keys: JSON, compressed.
"""

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.digest import Digest

KEPT = 10_000
"""How many stay: those that somebody asked for last."""
KEPT_BYTES = 256_000_000
"""How much room they may take: one of 20,000 files has a megabyte, and each change makes one."""


class Listings:
    """The listings of a store."""

    def __init__(self, storage: Path) -> None:
        """Keep listings below ``storage/listings``."""
        self._root = storage / "listings"
        self._known: dict[str, Mapping[str, str]] = {}
        self._held: dict[Digest, Mapping[str, str]] = {}

    def __call__(self, digest: str) -> Mapping[str, str] | None:
        """Return a listing: ``type mode content`` by path; None where nobody kept it."""
        if digest not in self._known:
            try:
                data = self._path(digests.parse(digest)).read_bytes()
                self._known[digest] = json.loads(zlib.decompress(data))
            except (FileNotFoundError, zlib.error, ValueError):
                return None
        return self._known[digest]

    def has(self, digest: Digest) -> bool:
        """Whether a listing is there; it counts as used."""
        if digest in self._known:
            return True
        try:
            os.utime(self._path(digest))
        except FileNotFoundError:
            return False
        return True

    def hold(self, digest: Digest, listing: Mapping[str, str]) -> None:
        """Know a listing, which :meth:`keep` will write."""
        self._known[digest] = self._held[digest] = listing

    def keep(self) -> None:
        """Write what is held; the oldest go (KEPT, KEPT_BYTES). Raises OSError."""
        if not self._held:
            return
        self._root.mkdir(parents=True, exist_ok=True)
        for digest, listing in self._held.items():
            path = self._path(digest)
            partial = path.with_suffix(f".{os.getpid()}.partial")
            text = json.dumps(listing, separators=(",", ":"))
            partial.write_bytes(zlib.compress(text.encode(), 1))
            partial.rename(path)
        self._held.clear()
        self._forget()

    def _forget(self) -> None:
        ages = []
        with os.scandir(self._root) as found:
            for item in found:
                with suppress(FileNotFoundError):  # another process writes and forgets as well
                    status = item.stat()
                    ages.append((status.st_mtime_ns, status.st_size, item.path))
        room = KEPT_BYTES
        for number, (_, size, path) in enumerate(sorted(ages, reverse=True)):
            room -= size
            if number and (number >= KEPT or room < 0):
                Path(path).unlink(missing_ok=True)

    def _path(self, digest: Digest) -> Path:
        return self._root / f"{digests.hex_of(digest)}.json.z"
