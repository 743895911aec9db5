"""Credentials as docker and podman keep them: config.json, auth.json, credential helpers.

A registry's credentials are looked up by its own name alone: there are no wildcards, and an answer
for another host is an error. Nothing found means anonymous.
"""

import base64
import binascii
import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from mkbuild.errors import RegistryError
from mkbuild.frozen import frozen
from mkbuild.oci.reference import DOCKER_HUB
from mkbuild.registry.config import RegistrySettings, canonical_registry

_HELPER_NAME = re.compile(r"[A-Za-z0-9._-]+\Z")
_HUB_KEY = "https://index.docker.io/v1/"
_NOT_FOUND = ("credentials not found", "no credentials", "not logged in")


@frozen
class Credentials:
    """What a registry may be told: a name and a password, or one of the tokens."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)


class Keychain:
    """Looks credentials up; asks each helper once a registry. Safe to use from many threads."""

    def __init__(
        self, environment: Mapping[str, str], home: Path, *, helper_timeout: float = 30.0
    ) -> None:
        """Remember where to look: the environment names the files and PATH the helpers."""
        self._environment = environment
        self._home = home
        self._timeout = helper_timeout
        self._lock = threading.Lock()
        self._loaded: list[tuple[Path, Mapping[str, Any]]] | None = None
        self._answers: dict[tuple[str, str], Credentials | None] = {}

    def find(
        self, registry: str, repository: str, settings: RegistrySettings
    ) -> Credentials | None:
        """Return the credentials for a repository; None is anonymous.

        Raises RegistryError where a file is malformed or a helper fails.
        """
        with self._lock:
            if settings.username:
                return Credentials(settings.username, _password(settings))
            if settings.credential_helper:
                return self._ask_helper(settings.credential_helper, registry)
            for path, document in self._documents():
                found = self._from_file(path, document, registry, repository)
                if found is not None:
                    return found
            return None

    def owner(self, registry: str, repository: str) -> str:
        """Return the part of a repository's name that has a login of its own, else nothing."""
        with self._lock:
            for path, document in self._documents():
                for name in _repository_keys(registry, repository):
                    if name in _mapping(document, "auths", path):
                        return name
            return ""

    def _documents(self) -> list[tuple[Path, Mapping[str, Any]]]:
        if self._loaded is None:
            self._loaded = [(path, _load(path)) for path in self._files() if path.is_file()]
        return self._loaded

    def _files(self) -> list[Path]:
        environment = self._environment
        explicit = environment.get("REGISTRY_AUTH_FILE")
        docker = environment.get("DOCKER_CONFIG")
        config_home = environment.get("XDG_CONFIG_HOME")
        runtime = environment.get("XDG_RUNTIME_DIR")
        files = [
            Path(explicit) if explicit else None,
            Path(docker or self._home / ".docker") / "config.json",
            Path(runtime) / "containers" / "auth.json" if runtime else None,
            Path(config_home or self._home / ".config") / "containers" / "auth.json",
        ]
        return [path for path in files if path is not None]

    def _from_file(
        self, path: Path, document: Mapping[str, Any], registry: str, repository: str
    ) -> Credentials | None:
        helpers = _mapping(document, "credHelpers", path)
        auths = _mapping(document, "auths", path)
        for name in _names(registry):
            if helper := helpers.get(name):
                return self._ask_helper(str(helper), registry)
        for entry in _entries(auths, registry, repository):
            found = _credentials(entry, path)
            if found is not None:
                return found
        if store := document.get("credsStore"):
            return self._ask_helper(str(store), registry)
        return None

    def _ask_helper(self, helper: str, registry: str) -> Credentials | None:
        """Ask a helper, once a registry."""
        key = (helper, registry)
        if key not in self._answers:
            self._answers[key] = self._ask(helper, registry)
        return self._answers[key]

    def _ask(self, helper: str, registry: str) -> Credentials | None:
        program = f"docker-credential-{helper}"
        if not _HELPER_NAME.match(helper):
            raise RegistryError(f"{helper!r} is no name of a credential helper")
        server = _HUB_KEY if registry == DOCKER_HUB else registry
        status, output = self._run(program, server, registry)
        text = output.decode("utf-8", "replace").strip()
        if status != 0:
            if any(phrase in text.lower() for phrase in _NOT_FOUND):
                return None
            raise _helper_error(program, registry, f"failed ({status}): {text[:200]}")
        return _helper_answer(text, program, registry)

    def _run(self, program: str, server: str, registry: str) -> tuple[int, bytes]:
        try:
            process = subprocess.Popen(
                [program, "get"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(self._environment),
                start_new_session=True,
            )
        except OSError as error:
            raise _helper_error(
                program, registry, f"cannot be started: {error.strerror}"
            ) from error
        with process:
            try:
                output, _ = process.communicate(server.encode(), timeout=self._timeout)
            except subprocess.TimeoutExpired:
                # The whole session: a helper is often a script whose child holds the pipe open.
                os.killpg(process.pid, signal.SIGKILL)
                raise _helper_error(
                    program, registry, f"gave no answer in {self._timeout:g} s"
                ) from None
        return process.returncode, output


def _password(settings: RegistrySettings) -> str:
    if not settings.password_file:
        return settings.password
    try:
        return Path(settings.password_file).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise RegistryError(
            f"cannot read the password file {settings.password_file}: {error.strerror}"
        ) from error


def _names(registry: str) -> list[str]:
    """Return the keys under which docker files a registry, in the order of preference."""
    hosts = [registry]
    if registry == DOCKER_HUB:
        hosts = ["index.docker.io", DOCKER_HUB, "registry-1.docker.io"]
    forms = ("{}", "https://{}", "http://{}", "https://{}/v1/", "https://{}/v2/", "http://{}/v2/")
    return [form.format(host) for host in hosts for form in forms]


def _repository_keys(registry: str, repository: str) -> list[str]:
    """Return podman's keys for a repository, which may name a part of it: the longest first."""
    parts = repository.split("/")
    return ["/".join((registry, *parts[:end])) for end in range(len(parts), 0, -1)]


def _entries(auths: Mapping[str, Any], registry: str, repository: str) -> list[Any]:
    names = (*_repository_keys(registry, repository), *_names(registry))
    return [auths[name] for name in names if name in auths]


def _load(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{path} is not JSON: {error}") from error
    except OSError as error:
        raise RegistryError(f"cannot read {path}: {error.strerror}") from error
    if not isinstance(document, dict):
        raise RegistryError(f"{path} is not a JSON object")
    return document


def _mapping(document: Mapping[str, Any], name: str, path: Path) -> Mapping[str, Any]:
    value = document.get(name) or {}
    if not isinstance(value, dict):
        raise RegistryError(f"{path}: {name} is not an object")
    return value


def _credentials(entry: object, path: Path) -> Credentials | None:
    """Read one entry of ``auths``; docker leaves empty ones where a helper has the password."""
    if not isinstance(entry, dict):
        raise RegistryError(f"{path}: an entry of auths is not an object")
    if token := entry.get("registrytoken"):
        return Credentials(registry_token=str(token))
    username, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if encoded := entry.get("auth"):
        try:
            decoded = base64.b64decode(str(encoded), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise RegistryError(f"{path}: an auth entry is not base64 of name:password") from error
        username, _, password = decoded.rstrip("\0").partition(":")
    if token := entry.get("identitytoken"):
        return Credentials(username, identity_token=str(token))
    return Credentials(username, password) if username else None


def _helper_answer(text: str, program: str, registry: str) -> Credentials | None:
    try:
        document = json.loads(text)
        username, secret = document["Username"], document["Secret"]
        server = document.get("ServerURL") or ""
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _helper_error(program, registry, "answered what is no credential") from None
    if not all(isinstance(value, str) for value in (username, secret, server)):
        raise _helper_error(program, registry, "answered what is no credential")
    if server and canonical_registry(server) != registry:
        other = canonical_registry(server)
        raise _helper_error(program, registry, f"answered with the credentials of {other[:100]}")
    if username == "<token>":
        return Credentials(identity_token=secret)
    return Credentials(username, secret) if username else None


def _helper_error(program: str, registry: str, why: str) -> RegistryError:
    return RegistryError(
        f"credential helper {program} for {registry}: {why}",
        hint="repair it, or remove it from credsStore/credHelpers in docker's config.json",
    )
