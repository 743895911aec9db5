"""What holds for the whole workspace: caches and registries."""

from collections.abc import Mapping
from typing import Any, assert_never

from mkbuild.buildfile.models import (
    CacheModel,
    DirectoryCacheModel,
    HttpModel,
    RedisModel,
    RegistryCacheModel,
    RegistryModel,
    RemoteModel,
)
from mkbuild.buildfile.sources import absolute
from mkbuild.buildfile.target import CacheSettings, RegistrySettings, Remote

_LAYOUT = "oci-layout:"
_PATHS = frozenset({"ca", "cert", "key"})


def cache_settings(model: CacheModel, root: str) -> CacheSettings:
    """Return the cache settings; directories are made absolute."""
    remotes = tuple(_remote(remote, root) for remote in model.remotes)
    return CacheSettings(model.local.max_size, model.local.ttl, remotes)


def registry_settings(
    models: Mapping[str, RegistryModel], root: str
) -> dict[str, RegistrySettings]:
    """Return how registries are reached, by host; directories are made absolute."""
    return {host: _registry(model, root) for host, model in models.items()}


def _registry(model: RegistryModel, root: str) -> RegistrySettings:
    given: dict[str, Any] = {
        name: absolute(value, root) if name in _PATHS else value
        for name in RegistryModel.model_fields
        if name in model.model_fields_set and (value := getattr(model, name)) is not None
    }
    return RegistrySettings(
        mirrors=tuple(_mirror(mirror, root) for mirror in given.pop("mirrors", ())),
        insecure=given.pop("insecure", None),
        ca=given.pop("ca", None),
        more=given,
    )


def _remote(model: RemoteModel, root: str) -> Remote:
    return Remote(
        type=model.type,
        url=_url(model, root),
        mode=model.mode,
        ttl=model.ttl,
        scope=model.scope,
        headers=model.headers if isinstance(model, HttpModel) else {},
        key_env=model.signing_key_env,
        read_scopes=tuple(model.read_scopes),
        password_env=model.password_env if isinstance(model, RedisModel) else "",
    )


def _url(model: RemoteModel, root: str) -> str:
    match model:
        case RedisModel() | HttpModel():
            return model.url
        case RegistryCacheModel():
            return model.ref
        case DirectoryCacheModel():
            return absolute(model.path, root)
        case _:
            assert_never(model)


def _mirror(text: str, root: str) -> str:
    if not text.startswith(_LAYOUT):
        return text
    return _LAYOUT + absolute(text.removeprefix(_LAYOUT).removeprefix("//"), root)
