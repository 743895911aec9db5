"""The caches of an invocation: the local one, those of the build file, those of the flags."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import Remote, Target, Workspace
from mkbuild.cache.health import Health
from mkbuild.cache.open import open_cache, registry_carrier
from mkbuild.cache.settings import Kind, RemoteSettings
from mkbuild.cache.tier import Carrier
from mkbuild.cache.tiered import TieredCache
from mkbuild.engine.publish import destinations
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.request import BuildRequest, CacheFlags, Publishing
from mkbuild.engine.session import Session
from mkbuild.errors import UsageError
from mkbuild.oci import reference as references
from mkbuild.oci.reference import DEFAULT_TAG, DOCKER_HUB, Reference

if TYPE_CHECKING:
    from mkbuild.registry.client import Client

_TTL = 14 * 86400


def open_caches(
    session: Session,
    request: BuildRequest,
    workspace: Workspace,
    registries: RegistryAccess,
    targets: Iterable[Target],
) -> tuple[TieredCache, tuple[Reference, ...]]:
    """Put the caches together; opens no connection. Raises UsageError for bad settings.

    Also returns the repositories that layers are kept in. Where images are pushed, the first
    repository of ``targets`` is one of them.
    """

    def client_for(registry: str, repository: str) -> "Client":
        from mkbuild.cache.registry import impatient

        return registries.clients().get(registry, repository, impatient)

    settings = remote_settings(request.caches, workspace)
    places = _places(targets, request.publishing) if settings else []
    cache = open_cache(
        session.known,
        settings,
        store=session.store,
        client_for=client_for,
        warn=session.warn,
        carriers=_carriers(places, client_for, session.warn, publishing=request.publishing),
    )
    caches = [references.parse(s.place) for s in settings if s.kind == "registry"]
    return cache, tuple(dict.fromkeys((*caches, *places[:1])))


def remote_settings(flags: CacheFlags, workspace: Workspace) -> list[RemoteSettings]:
    """Return the shared caches in order; raises UsageError where a variable is not set."""
    return [*map(_declared, workspace.cache.remotes), *_flags(flags)]


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


def _places(targets: Iterable[Target], publishing: Publishing) -> list[Reference]:
    """Return the repositories that images go to, or would go to with ``--push``."""
    pushing = publishing if _pushes(publishing) else Publishing(push=True)
    names = [
        name
        for target in targets
        if target.publish
        for name in destinations([tag for tag in target.tags if "$" not in tag], pushing)
    ]
    # An image without a registry in its name is Docker Hub's only where somebody pushes it there.
    meant = [name for name in names if _pushes(publishing) or name.registry != DOCKER_HUB]
    return list(dict.fromkeys(replace(name, tag=DEFAULT_TAG, digest=None) for name in meant))


def _pushes(publishing: Publishing) -> bool:
    return publishing.push or bool(publishing.replicas)


def _carriers(
    places: Iterable[Reference],
    client_for: Callable[[str, str], "Client"],
    warn: Callable[[str], None],
    *,
    publishing: Publishing,
) -> list[Carrier]:
    """Let the repositories that images are pushed to carry layers.

    All are read. The first takes the layers of every image, but only where images are pushed:
    else nobody allowed us to write there.
    """
    carriers = []
    healths: dict[str, Health] = {}
    for number, place in enumerate(places):
        name = f"the layers in {place.registry}"
        health = healths.setdefault(place.registry, Health(name, warn))
        writable = number == 0 and _pushes(publishing)
        client = client_for(place.registry, place.repository)
        carriers.append(registry_carrier(client, place.repository, health, writable=writable))
    return carriers
