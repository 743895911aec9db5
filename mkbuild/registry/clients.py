"""One client a registry, made when it is first needed."""

import threading
import time
from collections.abc import Callable

from mkbuild.registry.client import Client
from mkbuild.registry.config import Registries, RegistrySettings
from mkbuild.registry.credentials import Credentials, Keychain
from mkbuild.registry.retry import Pause, Report


class Clients:
    """Gives every caller the same client of a registry; safe to use from many threads."""

    def __init__(
        self,
        registries: Registries,
        keychain: Keychain,
        *,
        report: Report = lambda _: None,
        pause: Pause = time.sleep,
    ) -> None:
        """Remember how to make clients; no connection is opened."""
        self.registries = registries
        self.report = report
        self._keychain = keychain
        self._pause = pause
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, RegistrySettings], Client] = {}

    def get(
        self,
        registry: str,
        repository: str,
        adjust: Callable[[RegistrySettings], RegistrySettings] = lambda settings: settings,
    ) -> Client:
        """Return the client for a repository: those with the same settings and login share one.

        ``adjust`` changes the settings for one purpose, as a cache does that must not wait.
        """
        settings = adjust(self.registries.settings(registry, repository))
        owner = self._keychain.owner(registry, repository)
        with self._lock:
            key = (registry, owner, settings)
            if key not in self._clients:
                self._clients[key] = Client(
                    registry,
                    settings,
                    lambda: self._keychain.find(registry, repository, settings),
                    report=self.report,
                    pause=self._pause,
                )
            return self._clients[key]

    def credentials(self, registry: str, repository: str) -> Credentials | None:
        """Return the login for a repository; None is anonymous. Raises RegistryError."""
        settings = self.registries.settings(registry, repository)
        return self._keychain.find(registry, repository, settings)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()
