"""Spellings that hands know from other tools, and what is meant by each."""

_MEANT = {
    "args": "buildArgs build-args build_args buildargs build-arg build_arg arg",
    "contexts": "additional_contexts additional-contexts additionalContexts build-contexts "
    "build_contexts buildContexts build-context",
    "dockerfile": "dockerfile_path dockerfilePath Dockerfile dockerFile docker_file file",
    "dockerfile_inline": "dockerfile-inline dockerfileInline",
    "target": "stage target_stage",
    "tags": "tag image",
    "labels": "label",
    "secrets": "secret",
    "platforms": "platform",
    "depends_on": "depends-on dependsOn depends dependencies needs requires",
    "inherits": "extends inherit",
    "groups": "group",
    "add_hosts": "extra_hosts extra-hosts extraHosts add-host add_host addHost",
    "no_cache": "no-cache noCache nocache",
    "no_cache_filter": "no-cache-filter noCacheFilter",
    "network": "network_mode networkMode",
    "outputs": "output",
    "publish": "push",
    "images": "targets services artifacts image target",
    "variables": "variable vars args",
    "cache": "cache-from cacheFrom cache_from cache-to cacheTo cache_to",
    "include": "includes",
    "profiles": "profile",
    "registries": "registry",
    "max_size": "max-size maxSize",
    "signing_key_env": "signing-key-env signingKeyEnv",
}

_BY_ALIAS: dict[str, list[str]] = {}
for _name, _spellings in _MEANT.items():
    for _spelling in _spellings.split():
        _BY_ALIAS.setdefault(_spelling, []).append(_name)


def meant_by(key: str, allowed: frozenset[str]) -> str | None:
    """Return the allowed key that another tool's spelling stands for, or None."""
    return next((name for name in _BY_ALIAS.get(key, ()) if name in allowed), None)


def hint_for(key: str, allowed: frozenset[str]) -> str | None:
    """Return a hint for a key that is allowed elsewhere, or in another tool."""
    meant = meant_by(key, allowed)
    if meant:
        return f"write {meant!r}"
    if "cache" in _BY_ALIAS.get(key, ()):
        return "shared caches stand once for all images, in the root file's cache.remotes"
    return None
