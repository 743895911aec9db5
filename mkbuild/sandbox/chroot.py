"""The sandbox for places without namespaces: a full tree, chroot, and no wall around it."""

import os

from mkbuild.errors import SandboxError
from mkbuild.sandbox import process, seccomp, wire
from mkbuild.sandbox.namespace import in_user_namespace
from mkbuild.sandbox.spec import Output, Relay, RunOutcome, RunSpec


class ChrootSandbox:
    """Runs commands in ``spec.tree``; see :class:`mkbuild.sandbox.spec.Sandbox`.

    Needs CAP_SYS_CHROOT. With CAP_SYS_ADMIN mounts are real, hidden from everybody else, the old
    root is gone and the system-call filter holds: only the host's processes are seen and can be
    signalled. Without it binds and caches are copied (a cache gets new and changed files back,
    removals do not reach it), secrets are files that are removed, a tmpfs is an empty directory,
    /proc is empty, ssh mounts and network none are errors, and the container around is the only
    boundary. ``spec.tree`` "/" is the machine's own file system.
    """

    def __init__(self, mode: str = "chroot") -> None:
        self.mode = mode
        self._program = seccomp.program(os.uname().machine)
        self._runs = process.Runs("chroot_child.main")
        self._userns = in_user_namespace()

    def run(self, spec: RunSpec, output: Output, relay: Relay | None = None) -> RunOutcome:
        """Run one command to its end."""
        if not spec.tree or not spec.work:
            raise SandboxError("the chroot sandbox needs a whole tree and a work directory")
        packed = wire.pack(spec, program=self._program, userns=self._userns, one_id=False)
        return process.run(self._runs, packed, output, keep=spec.held, relay=relay)

    def cancel(self) -> None:
        """End everything that runs."""
        self._runs.cancel()

    def close(self) -> None:
        """End everything that runs, and what it was started from."""
        self._runs.close()
