"""What the shared caches of an invocation are to be, as plain values."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from mkbuild.cache.aging import DEFAULT_TTL
from mkbuild.frozen import frozen

Kind: TypeAlias = Literal["redis", "http", "makisu", "registry", "directory"]
Mode: TypeAlias = Literal["read-write", "read-only", "write-only", "off"]


@frozen
class RemoteSettings:
    """One shared cache.

    ``place``: its URL, its repository (``host/name``) for a registry, or its directory.
    ``ttl``: seconds that an entry lives after its last use, 0 is for ever. ``scope`` is written and
    read, ``read_scopes`` are read after it; ``""`` is the scope of those who name none.
    ``signing_key``: where given, entries are signed, and others do not count. ``headers`` go with
    each HTTP request. ``mount_from``: repositories that a registry's blobs can be mounted from.
    """

    kind: Kind
    place: str = field(repr=False)
    mode: Mode = "read-write"
    ttl: int = DEFAULT_TTL
    scope: str = ""
    read_scopes: tuple[str, ...] = ()
    signing_key: bytes | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    mount_from: tuple[str, ...] = ()

    @property
    def readable(self) -> bool:
        """Whether it is asked."""
        return self.mode in {"read-write", "read-only"}

    @property
    def writable(self) -> bool:
        """Whether results are shared with it."""
        return self.mode in {"read-write", "write-only"}
