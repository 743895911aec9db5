"""Secrets of targets: read when a command needs them, kept in memory alone, never in a key."""

import os
from collections.abc import Mapping
from pathlib import Path

from mkbuild.buildfile.target import Secret, Ssh, Target
from mkbuild.errors import NotYetError, StepError
from mkbuild.store.reading import MAX_BYTES, read_limited


class Secrets:
    """The secrets that targets declare, by target and id."""

    def __init__(self, targets: Mapping[str, Target], root: str) -> None:
        """Know the targets of the workspace at ``root``; no value is read yet."""
        self._targets = targets
        self._root = root
        self._sources: dict[str, set[str]] = {}
        for secret in (secret for target in targets.values() for secret in target.secrets):
            self._sources.setdefault(secret.id, set()).add(self._source(secret))

    def present(self, target: str) -> Mapping[str, str]:
        """Return the ids of the secrets and agents that a target has, each with its source.

        The source is empty where all targets that have the secret agree on it: it must tell
        apart the steps of targets that do not, and no machine from another.
        """
        found = self._targets[target]
        secrets = {
            secret.id: self._source(secret) if len(self._sources[secret.id]) > 1 else ""
            for secret in found.secrets
            if _is_there(secret)
        }
        return secrets | {f"ssh:{agent.id}": "" for agent in found.ssh}

    def _source(self, secret: Secret) -> str:
        """Return where a secret comes from, the same in every checkout."""
        if secret.src is None:
            return f"env:{secret.env or secret.id}"
        return f"src:{os.path.relpath(secret.src, self._root)}"

    def value(self, target: str, name: str) -> bytes | None:
        """Return a secret's value, None where the target has none; raises StepError."""
        for secret in self._targets[target].secrets:
            if secret.id == name:
                return _read(secret)
        return None

    def agent(self, target: str, name: str) -> str | None:
        """Return the socket of a target's ssh agent, None where it has none; raises UserError."""
        for agent in self._targets[target].ssh:
            if agent.id == name:
                return _socket(agent)
        return None


def _socket(agent: Ssh) -> str | None:
    if not agent.paths:
        return os.environ.get("SSH_AUTH_SOCK") or None
    path = Path(agent.paths[0])
    if len(agent.paths) > 1 or not path.is_socket():
        message = f"ssh {agent.id!r} names key files: only an agent's socket can be given yet"
        hint = "eval $(ssh-agent); ssh-add KEY; and leave the path out"
        raise NotYetError(message, hint=hint)
    return str(path)


def _is_there(secret: Secret) -> bool:
    return secret.src is not None or (secret.env or secret.id) in os.environ


def _read(secret: Secret) -> bytes | None:
    if secret.src is not None:
        try:
            return read_limited(secret.src, MAX_BYTES)
        except OSError as error:
            message = f"cannot read secret {secret.id!r} from {secret.src}: {error.strerror}"
            raise StepError(message, hint="secrets: [{id: …, src: FILE}] names the file") from error
    value = os.environ.get(secret.env or secret.id)
    return None if value is None else value.encode("utf-8", "surrogateescape")
