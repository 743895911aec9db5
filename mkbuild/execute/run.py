"""RUN: a command in a sandbox over the parent's state, and what it changed there."""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import TypeAlias

from mkbuild.action import StateID
from mkbuild.errors import StepError
from mkbuild.execute import foreign, identity
from mkbuild.execute.mounts import Mounts
from mkbuild.execute.place import require_possible
from mkbuild.execute.rootfs import Disk, OverlayRootfs, TreeRootfs
from mkbuild.execute.states import States
from mkbuild.execute.takeover import ModifyfsRootfs, Takeover
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.frozen import frozen
from mkbuild.oci import platform as platforms
from mkbuild.plan.actions import Action, Node, RunBody, inputs
from mkbuild.plan.keys import Policy
from mkbuild.sandbox.limits import Limits, Places
from mkbuild.sandbox.spec import (
    MountSpec,
    Network,
    Output,
    Relay,
    RunOutcome,
    RunSpec,
    Sandbox,
)

Rootfs: TypeAlias = OverlayRootfs | TreeRootfs | ModifyfsRootfs


@frozen
class RunSettings:
    """What all RUNs of a build share.

    ``policy``: of a target. ``hosts``, ``resolv``: contents of the files of these names.
    ``environment``: variables that a target's commands get where they do not set them themselves;
    no part of a key.
    ``overlay``: whether the sandbox mounts overlays; else it is given full trees, or what is taken
    over (``takeover``). ``allow``: what commands may ask for, such as ``security.insecure``.
    ``limits``: of a target's commands, and the places that hold them.
    """

    policy: Callable[[str], Policy]
    hosts: Callable[[tuple[tuple[str, str], ...]], bytes]
    resolv: bytes
    hostname: str = "buildkitsandbox"
    environment: Callable[[str], Mapping[str, str]] = lambda _target: {}
    disk: Disk = field(default_factory=Disk)
    overlay: bool = True
    takeover: Takeover | None = None
    allow: frozenset[str] = frozenset()
    limits: Callable[[str], tuple[Limits, Places]] = lambda _: (Limits(), Places())


@frozen
class RunResult:
    """What a RUN changed, and whether that may differ from what another machine gets."""

    diff: Diff
    lossy: bool


class Runner:
    """Runs RUN actions; safe to be used from several threads."""

    def __init__(
        self, sandbox: Sandbox, states: States, mounts: Mounts, settings: RunSettings
    ) -> None:
        """Bind to the parts."""
        self._sandbox = sandbox
        self._states = states
        self._mounts = mounts
        self._settings = settings

    def run(
        self, action: Action, state_of: Callable[[Node], StateID], scratch: Path, output: Output
    ) -> RunResult:
        """Run a command; raises StepError where it fails, and whatever its inputs raise."""
        with self._ready(action, state_of, scratch) as (spec, root):
            outcome = self._sandbox.run(spec, output)
            if outcome.status != 0:
                raise _failed(action, outcome, self._settings.limits(action.target)[0])
            diff = root.collect(self._settings.policy(action.target).epoch)
        return RunResult(diff, outcome.lossy or self._misread(action, state_of))

    def _misread(self, action: Action, state_of: Callable[[Node], StateID]) -> bool:
        """Whether a command may have seen owners, or handed them on, that are not what they are."""
        if not self._settings.disk.single_id:
            return False
        return any(self._states.index(state_of(node)).has_other_owners() for node in inputs(action))

    def attend(  # noqa: PLR0913 -- one call, all of it named
        self,
        action: Action,
        state_of: Callable[[Node], StateID],
        scratch: Path,
        *,
        mounts: tuple[MountSpec, ...],
        output: Output,
        relay: Relay | None,
    ) -> int:
        """Run a command for somebody who watches, and keep nothing of it; returns its status.

        ``mounts``: what it finds besides the action's. ``relay``: serves its terminal.
        """
        with self._ready(action, state_of, scratch) as (spec, _):
            given = replace(spec, mounts=(*spec.mounts, *mounts))
            return self._sandbox.run(given, output, relay).status

    @contextmanager
    def _ready(
        self, action: Action, state_of: Callable[[Node], StateID], scratch: Path
    ) -> Iterator[tuple[RunSpec, Rootfs]]:
        """Make all real that a command finds around it; raises whatever its inputs raise."""
        body = action.body
        assert isinstance(body, RunBody)  # noqa: S101 -- the caller dispatches
        self._check(action, body)
        with (
            ExitStack() as stack,
            self._rootfs(state_of(action.parent)) as root,
        ):
            user = identity.run_user(root.index, body.user)
            mounts, variables = self._mounts.bind(action, state_of, scratch, stack)
            _make_directory(root.index, body.cwd, root.changes)
            limits, places = self._settings.limits(action.target)
            spec = RunSpec(
                argv=body.argv,
                env=self._environment(action, body, user.home) | variables,
                cwd=body.cwd,
                uid=user.uid,
                gid=user.gid,
                groups=user.groups,
                hostname=self._settings.hostname,
                network=_network(body.network),
                insecure=body.security == "insecure",
                mounts=mounts,
                hosts=self._settings.hosts(body.hosts),
                resolv=self._settings.resolv,
                cgroups=places.groups(limits),
                rlimits=places.rlimits(limits),
                **root.fields(),
            )
            yield spec, root

    def _rootfs(self, parent: StateID) -> Rootfs:
        settings = self._settings
        if settings.takeover is not None:
            return ModifyfsRootfs(settings.takeover, self._states, parent)
        kind = OverlayRootfs if settings.overlay else TreeRootfs
        return kind(self._states, parent, settings.disk)

    def _check(self, action: Action, body: RunBody) -> None:
        """Refuse what this build may not do, or cannot do here."""
        native = platforms.host(os.uname().machine)
        if foreign.is_foreign(action.platform, native) and not foreign.is_emulated(action.platform):
            message = f"RUN for {action.platform} needs an emulator on {native}: there is none"
            raise StepError(message, hint=foreign.HINT)
        if body.security == "insecure" and "security.insecure" not in self._settings.allow:
            message = "RUN --security=insecure is not allowed"
            raise StepError(message, hint="--allow security.insecure allows it for this build")

    def _environment(self, action: Action, body: RunBody, home: str) -> dict[str, str]:
        epoch = self._settings.policy(action.target).epoch
        env = {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
        env |= {"HOME": home, **self._settings.environment(action.target)}
        return env | dict(body.proxy) | dict(body.env)


def _network(network: str) -> Network:
    if network == "none":
        return "none"
    return "host" if network == "host" else "default"


def _failed(action: Action, outcome: RunOutcome, limits: Limits) -> StepError:
    """Say how a command ended; signals are named, and limits that it met."""
    status = outcome.status
    how = f"exit status {status}"
    if 0 < status - SIGNALLED < signal.NSIG:
        name = signal.strsignal(status - SIGNALLED)
        how += f" ({name})" if name else ""
    command = action.text if len(action.text) <= SHOWN else action.text[: SHOWN - 1] + "…"
    met = "".join(f"; {limits.met(name)}" for name in outcome.reached)
    raised = " and ".join(f"resources.{name}" for name in outcome.reached)
    return StepError(
        f"{command} ended with {how}{met}",
        location=action.location,
        hint=f"raise {raised} of {action.target}, or let the command do less at once"
        if raised
        else _hint(action, status),
    )


def _hint(action: Action, status: int) -> str | None:
    native = platforms.host(os.uname().machine)
    if status == NOT_EXECUTABLE and foreign.is_foreign(action.platform, native):
        return f"{action.platform} needs an emulator here; {foreign.HINT}"
    return _STATUS_HINTS.get(status)


NOT_EXECUTABLE = 126
SIGNALLED = 128
SHOWN = 200
_STATUS_HINTS = {
    NOT_EXECUTABLE: "the command was found, but is no executable of this image's platform, or "
    "lacks mode x",
    127: "the command was not found: is its package installed in this stage, and is PATH right?",
    137: "it was killed: by the kernel for want of memory, or from outside",
}


def _make_directory(index: Index, path: str, changes: Path) -> None:
    """Make a command's working directory where the state lacks it, as runc does.

    Directories on the way that exist are made again above, with what they have below.
    """
    resolved = index.resolve(path)
    if resolved in index:
        return
    require_possible(resolved)
    place, done = changes, ""
    for name in resolved.split("/"):
        done = f"{done}/{name}" if done else name
        place = place / name
        try:
            place.mkdir(mode=0o755)
        except FileExistsError:
            # A full tree has what the state has.
            continue
        found = index.get(done)
        if found is not None:
            if found.entry.type != toc.DIRECTORY:
                message = f"the working directory {path} leads through a file"
                raise StepError(message, hint="WORKDIR names a directory")
            os.chown(place, found.entry.uid, found.entry.gid)
            place.chmod(found.entry.mode)
            os.utime(place, (found.entry.mtime, found.entry.mtime))
