"""Secrets of targets: read when a command needs them, kept in memory alone, never in a key."""

import os
from collections.abc import Mapping
from pathlib import Path

from mkbuild.buildfile.target import Secret, Target
from mkbuild.errors import StepError


class Secrets:
    """The secrets that targets declare, by target and id."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        """Know the targets; no value is read yet."""
        self._targets = targets

    def present(self, target: str) -> frozenset[str]:
        """Return the ids of the secrets and agents that a target has."""
        found = self._targets[target]
        secrets = {secret.id for secret in found.secrets if _is_there(secret)}
        return frozenset(secrets | {f"ssh:{agent.id}" for agent in found.ssh})

    def value(self, target: str, name: str) -> bytes | None:
        """Return a secret's value, None where the target has none; raises StepError."""
        for secret in self._targets[target].secrets:
            if secret.id == name:
                return _read(secret)
        return None


def _is_there(secret: Secret) -> bool:
    return secret.src is not None or (secret.env or secret.id) in os.environ


def _read(secret: Secret) -> bytes | None:
    if secret.src is not None:
        try:
            return Path(secret.src).read_bytes()
        except OSError as error:
            message = f"cannot read secret {secret.id!r} from {secret.src}: {error.strerror}"
            raise StepError(message, hint="secrets: [{id: …, src: FILE}] names the file") from error
    value = os.environ.get(secret.env or secret.id)
    return None if value is None else value.encode("utf-8", "surrogateescape")
