"""Puts the caches of an invocation together; opens no connection and no file yet."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.aging import Aging
from mkbuild.cache.health import Health
from mkbuild.cache.patience import Patience
from mkbuild.cache.protocol import BlobCarrier, KeyValue
from mkbuild.cache.settings import RemoteSettings
from mkbuild.cache.tier import Carrier, Tier
from mkbuild.cache.tiered import TieredCache
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen
from mkbuild.store.protocol import BlobStore

if TYPE_CHECKING:
    from mkbuild.cache.signing import HmacSigner
    from mkbuild.registry.client import Client

ClientFor = Callable[[str, str], "Client"]
"""Makes the client of a registry for a repository, with impatient settings."""

_SCOPE = re.compile(r"[a-z0-9._-]{0,40}\Z")
_SCHEMES = {
    "redis": {"redis", "rediss", "unix"},
    "http": {"http", "https"},
    "makisu": {"http", "https"},
}


@frozen
class OpenRemote:
    """A back end: its entries, its blobs where it keeps any, up to ``limit`` bytes each."""

    store: KeyValue
    blobs: BlobCarrier | None
    limit: int | None = None


def open_cache(  # noqa: PLR0913 -- composition
    local: KeyValue,
    remotes: Sequence[RemoteSettings],
    *,
    store: BlobStore,
    client_for: ClientFor,
    warn: Callable[[str], None],
    carriers: Sequence[Carrier] = (),
) -> TieredCache:
    """Make an action cache over a local key-value store, a blob store, and shared caches in order.

    ``carriers`` as in :class:`mkbuild.cache.tiered.TieredCache`. Raises UsageError where a setting
    makes no sense, or needs a package that is not installed.
    """
    tiers = [_tier(remote, client_for, warn) for remote in remotes if remote.mode != "off"]
    return TieredCache(
        KeyValueActionCache(local, Health(local.name, warn)),
        tiers,
        store=store,
        carriers=carriers,
        patience=Patience(),
    )


def registry_carrier(
    client: "Client", repository: str, health: Health, *, writable: bool = True
) -> Carrier:
    """Let the layers of entries that caches such as Redis hold travel by a repository of images.

    ``client`` as :data:`ClientFor` makes one; ``health`` is the registry's.
    """
    from mkbuild.cache.registry import RegistryCache

    cache = RegistryCache(client, repository, aging=Aging(0), writable=writable)
    return Carrier(cache, health, writable=writable)


def _tier(settings: RemoteSettings, client_for: ClientFor, warn: Callable[[str], None]) -> Tier:
    scopes = tuple(dict.fromkeys((settings.scope, *settings.read_scopes)))
    for scope in scopes:
        if not _SCOPE.match(scope):
            message = f"cannot use the cache scope {scope!r}"
            raise UsageError(message, hint="up to 40 of a-z, 0-9, dot, underscore and dash")
    remote = open_remote(settings, client_for)
    health = Health(remote.store.name, warn)
    cache = KeyValueActionCache(
        remote.store,
        health,
        signer=None if settings.signing_key is None else open_signer(settings.signing_key),
        scopes=scopes,
        shared=True,
        writable=settings.writable,
    )
    carrier = None
    if remote.blobs is not None:
        carrier = Carrier(
            remote.blobs,
            health,
            limit=remote.limit,
            readable=settings.readable,
            writable=settings.writable,
        )
    return Tier(cache, health, carrier, readable=settings.readable, writable=settings.writable)


def open_signer(key: bytes) -> "HmacSigner":
    """Return what signs with a key; raises UsageError where it is too short to be a secret."""
    from mkbuild.cache.signing import HmacSigner

    try:
        return HmacSigner(key)
    except ValueError as error:
        message = f"cannot sign cache entries: {error}"
        raise UsageError(message, hint="make one with: openssl rand -hex 32") from error


def _check_scheme(settings: RemoteSettings) -> None:
    schemes = _SCHEMES.get(settings.kind)
    scheme = urlsplit(settings.place).scheme
    if schemes is not None and scheme not in schemes:
        message = f"the address of a {settings.kind} cache cannot begin with {scheme or 'no'!r}"
        raise UsageError(message, hint="it begins with " + " or ".join(sorted(schemes)) + "://")


def open_remote(settings: RemoteSettings, client_for: ClientFor) -> OpenRemote:
    """Make a back end; opens no connection. Raises UsageError for settings that make no sense."""
    # Modules are imported only now, since few runs need any.
    _check_scheme(settings)
    aging, writable = Aging(settings.ttl), settings.writable
    match settings.kind:
        case "redis":
            from mkbuild.cache.redis import BLOB_LIMIT, RedisCache

            redis = RedisCache(
                settings.place, ttl=settings.ttl, password=settings.password, writable=writable
            )
            return OpenRemote(redis, redis, BLOB_LIMIT)
        case "http":
            from mkbuild.cache.http import HttpCache

            http = HttpCache(
                settings.place, aging=aging, headers=settings.headers, writable=writable
            )
            return OpenRemote(http, http)
        case "makisu":
            from mkbuild.cache.makisu import MakisuKeyValue

            return OpenRemote(
                MakisuKeyValue(
                    settings.place, aging=aging, headers=settings.headers, writable=writable
                ),
                None,
            )
        case "directory":
            from mkbuild.cache.directory import DirectoryCache

            directory = DirectoryCache(Path(settings.place), aging=aging, writable=writable)
            return OpenRemote(directory, directory)
        case "registry":
            from mkbuild.cache.registry import RegistryCache

            host, _, repository = settings.place.partition("/")
            if not repository:
                message = f"a registry cache needs a repository, not just {settings.place!r}"
                raise UsageError(message, hint=f"such as {host}/cache")
            registry = RegistryCache(
                client_for(host, repository),
                repository,
                aging=aging,
                writable=writable,
                mount_from=settings.mount_from,
            )
            return OpenRemote(registry, registry)
        case _:
            assert_never(settings.kind)
