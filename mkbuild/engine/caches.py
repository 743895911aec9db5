"""The caches of an invocation: the local one, those of the build file, those of the flags."""

import os
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import Remote, Target, Workspace
from mkbuild.cache.health import Health
from mkbuild.cache.open import open_cache
from mkbuild.cache.settings import Kind, RemoteSettings
from mkbuild.cache.tier import Carrier
from mkbuild.cache.tiered import TieredCache
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.request import BuildRequest, CacheFlags
from mkbuild.engine.session import Session
from mkbuild.errors import UsageError
from mkbuild.oci import reference as references

if TYPE_CHECKING:
    from mkbuild.registry.client import Client

_TTL = 14 * 86400


def open_caches(
    session: Session,
    request: BuildRequest,
    workspace: Workspace,
    registries: RegistryAccess,
    targets: Iterable[Target],
) -> TieredCache:
    """Put the caches together; opens no connection. Raises UsageError for bad settings.

    Where results are pushed, the first repository of ``targets`` also holds layers for others.
    """

    def client_for(registry: str, repository: str) -> "Client":
        from mkbuild.cache.registry import impatient

        return registries.clients().get(registry, repository, impatient)

    settings = [*map(_declared, workspace.cache.remotes), *_flags(request.caches)]
    carriers = _carriers(targets, client_for, session.warn) if settings else []
    return open_cache(
        session.known,
        settings,
        store=session.store,
        client_for=client_for,
        warn=session.warn,
        carriers=carriers,
    )


def _declared(remote: Remote) -> RemoteSettings:
    kind: Kind = remote.type
    return RemoteSettings(
        kind=kind,
        place=remote.url,
        mode=remote.mode,
        ttl=remote.ttl,
        scope=remote.scope,
        read_scopes=remote.read_scopes,
        signing_key=_secret(remote.key_env, "the signing key of"),
        password=_text(_secret(remote.password_env, "the password of")),
        headers=remote.headers,
    )


def _secret(variable: str, what: str) -> bytes | None:
    if not variable:
        return None
    value = os.environ.get(variable)
    if value is None:
        message = f"{what} a shared cache should be in {variable}, which is not set"
        raise UsageError(message, hint=f"export {variable}, or take the setting out")
    return value.encode("utf-8", "surrogateescape")


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _flags(flags: CacheFlags) -> list[RemoteSettings]:
    """Return the caches that Makisu's flags name."""
    found = []
    if flags.redis_addr:
        address = flags.redis_addr
        place = address if "://" in address else f"redis://{address}"
        ttl = _TTL if flags.redis_ttl is None else flags.redis_ttl
        found.append(RemoteSettings("redis", place, ttl=ttl, password=flags.redis_password))
    if flags.http_addr:
        address = flags.http_addr
        place = address if "://" in address else f"http://{address}"
        headers: Mapping[str, str] = flags.http_headers
        found.append(RemoteSettings("makisu", place, headers=headers))
    return found


def _carriers(
    targets: Iterable[Target],
    client_for: Callable[[str, str], "Client"],
    warn: Callable[[str], None],
) -> list[Carrier]:
    """Let the repositories that images are pushed to carry layers, the first one for all."""
    from mkbuild.cache.aging import Aging
    from mkbuild.cache.registry import RegistryCache

    names = [
        references.parse(tag) for t in targets if t.publish for tag in t.tags if "$" not in tag
    ]
    repositories = dict.fromkeys((name.registry, name.repository) for name in names)
    carriers = []
    for number, (registry, repository) in enumerate(repositories):
        blobs = RegistryCache(
            client_for(registry, repository), repository, aging=Aging(0), writable=number == 0
        )
        health = Health(blobs.name, warn)
        carriers.append(Carrier(blobs, health, writable=number == 0))
    return carriers
