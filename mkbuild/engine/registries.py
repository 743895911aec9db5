"""Access to registries for one invocation: settings from every place, clients made when needed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkbuild.buildfile.target import RegistrySettings
from mkbuild.engine.request import Sources
from mkbuild.errors import UsageError
from mkbuild.events import Event
from mkbuild.registry import config
from mkbuild.registry.config import Registries

if TYPE_CHECKING:
    from collections.abc import Callable

    from mkbuild.registry.clients import Clients
    from mkbuild.registry.pull import Resolver
    from mkbuild.registry.push import Pusher
    from mkbuild.store.protocol import BlobStore


_USER_SETTINGS = ".config/mkbuild/config.yaml"


class RegistryAccess:
    """Makes clients and the resolver when a connection is first needed."""

    def __init__(
        self,
        declared: Mapping[str, RegistrySettings],
        sources: Sources,
        root: Path,
        emit: "Callable[[Event], None]",
    ) -> None:
        """Remember where settings are; none is read yet."""
        self._declared = declared
        self._sources = sources
        self._root = root
        self._emit = emit
        self._clients: Clients | None = None
        self._resolver: Resolver | None = None
        self._pusher: Pusher | None = None

    def clients(self) -> "Clients":
        """Return the clients; raises UserError for settings that make no sense."""
        if self._clients is None:
            from mkbuild.registry.clients import Clients
            from mkbuild.registry.credentials import Keychain

            keychain = Keychain(os.environ, Path.home())
            self._clients = Clients(self._settings(), keychain, report=self._emit)
        return self._clients

    def resolver(self, store: "BlobStore") -> "Resolver":
        """Return what finds and fetches images."""
        if self._resolver is None:
            from mkbuild.registry.pull import Resolver

            self._resolver = Resolver(self.clients(), store)
        return self._resolver

    def pusher(self, store: "BlobStore") -> "Pusher":
        """Return what pushes images."""
        if self._pusher is None:
            from mkbuild.registry.push import Pusher

            self._pusher = Pusher(self.clients(), store)
        return self._pusher

    @property
    def files(self) -> tuple[str, ...]:
        """Files outside the workspace that say how registries are reached, there or not."""
        named = (self._sources.registries, self._sources.registry_config)
        user = str(Path.home() / _USER_SETTINGS)
        return (user, *(os.path.abspath(path) for path in named if path))  # noqa: PTH100 -- may be JSON

    def _settings(self) -> Registries:
        """Join settings: --registries over --registry-config over the user's over BUILD.yaml."""
        found = config.parse(_documents(self._declared), self._root)
        user = Path.home() / _USER_SETTINGS
        if user.is_file():
            document = _load(user).get("registries") or {}
            found = found.over(config.parse(document, user.parent))
        if self._sources.registry_config:
            document, base = _makisu(self._sources.registry_config)
            found = config.parse_makisu(document, base, os.environ).over(found)
        if self._sources.registries:
            path = Path(self._sources.registries)
            document = _load(path)
            found = config.parse(document.get("registries", document), path.parent).over(found)
        return found

    def close(self) -> None:
        """Close all connections."""
        if self._clients is not None:
            self._clients.close()


def _documents(declared: Mapping[str, RegistrySettings]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for name, settings in declared.items():
        members = {
            "mirrors": list(settings.mirrors) or None,
            "insecure": settings.insecure,
            "ca": settings.ca,
            **settings.more,
        }
        found[name] = {key: value for key, value in members.items() if value is not None}
    return found


def _load(path: Path) -> dict[str, Any]:
    try:
        return _read(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        message = f"cannot read registry settings from {path}: {error.strerror}"
        raise UsageError(message) from error


def _read(text: str, name: str) -> dict[str, Any]:
    import yaml  # most builds have no such file

    try:
        document = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        message = f"{name}: no YAML: {error}"
        raise UsageError(message) from error
    if not isinstance(document, dict):
        message = f"{name}: expected a mapping of registries"
        raise UsageError(message)
    return document


def _makisu(given: str) -> tuple[dict[str, Any], Path]:
    """Return Makisu's registry settings, read from a path or from the JSON itself."""
    if given.lstrip().startswith("{"):
        return _read(given, "--registry-config"), Path.cwd()
    path = Path(given)
    return _load(path), path.parent
