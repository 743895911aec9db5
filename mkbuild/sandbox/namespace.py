"""The default sandbox: namespaces, an overlay, docker's capabilities and system-call filter."""

import os
from dataclasses import replace
from pathlib import Path

from mkbuild.sandbox import process, seccomp, wire
from mkbuild.sandbox.spec import Output, Relay, RunOutcome, RunSpec

_INITIAL = 0xEFFFFFFD
"""Inode of the first user namespace (PROC_USER_INIT_INO): the same on every Linux since 3.8."""


def held_ids() -> int:
    """Return how many user ids this process's user namespace has (2³²-1 outside of any)."""
    lines = Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[2]) for line in lines)


def in_user_namespace() -> bool:
    """Tell whether this process is in a user namespace, however many ids that holds."""
    return os.stat("/proc/self/ns/user").st_ino != _INITIAL


class NamespaceSandbox:
    """Runs commands in namespaces of their own; see :class:`mkbuild.sandbox.spec.Sandbox`.

    Needs CAP_SYS_ADMIN in this process's user namespace (:func:`mkbuild.sandbox.userns.enter`
    gives it where the process is not root) and Linux 5.12. With a single id, changes of owner are
    answered with success and make the outcome lossy; so does a user other than root.
    """

    mode = "namespace"

    def __init__(self) -> None:
        self._userns = in_user_namespace()
        self._one_id = held_ids() == 1
        self._program = seccomp.program(os.uname().machine, one_id=self._one_id)
        self._runs = process.Runs("child.main")

    def run(self, spec: RunSpec, output: Output, relay: Relay | None = None) -> RunOutcome:
        """Run one command to its end."""
        packed = wire.pack(spec, program=self._program, userns=self._userns, one_id=self._one_id)
        outcome = process.run(self._runs, packed, output, keep=spec.held, relay=relay)
        if self._one_id and (spec.uid or spec.gid):
            return replace(outcome, lossy=True)
        return outcome

    def cancel(self) -> None:
        """End everything that runs."""
        self._runs.cancel()

    def close(self) -> None:
        """End everything that runs, and what it was started from."""
        self._runs.close()
