"""RUN: a command in a sandbox over the parent's state; what it changed is the upper directory."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from mkbuild.action import StateID
from mkbuild.context.scan import ContextTree
from mkbuild.errors import StepError
from mkbuild.execute import identity
from mkbuild.execute.cachemounts import CacheMount, CacheMounts
from mkbuild.execute.filestep import Inputs, Times, perform
from mkbuild.execute.states import States, tree_sources
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.location import Location
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import Action, ContextInput, CopyStep, Node, RunBody, RunMount
from mkbuild.plan.keys import Policy
from mkbuild.sandbox.spec import MountSpec, Network, Output, RunSpec, Sandbox
from mkbuild.snapshot import upper
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store.tocs import put_toc

COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE (clock_gettime(2)): the clock that filesystems take their times from."""

_SECRETS = "/run/secrets"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What all RUNs of a build share.

    ``policy``: of a target. ``secrets``: the value of a target's secret, by id. ``hosts``,
    ``resolv``: contents of the files of these names. ``environment``: variables that every command
    gets where it does not set them itself. ``single_id``: the user namespace holds one id only.
    """

    policy: Callable[[str], Policy]
    hosts: Callable[[tuple[tuple[str, str], ...]], bytes]
    resolv: bytes
    hostname: str = "buildkitsandbox"
    environment: Mapping[str, str] = field(default_factory=dict)
    userxattr: bool = False
    single_id: bool = False
    secrets: Callable[[str, str], bytes | None] = lambda _target, _id: None


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a RUN changed, and whether the sandbox swallowed something."""

    diff: Diff
    lossy: bool


class Runner:
    """Runs RUN actions; safe to be used from several threads."""

    def __init__(
        self,
        sandbox: Sandbox,
        states: States,
        caches: CacheMounts,
        settings: RunSettings,
        contexts: Callable[[ContextInput], ContextTree],
    ) -> None:
        """Bind to the parts."""
        self._sandbox = sandbox
        self._states = states
        self._caches = caches
        self._settings = settings
        self._contexts = contexts

    def run(
        self, action: Action, state_of: Callable[[Node], StateID], scratch: Path, output: Output
    ) -> RunResult:
        """Run a command; raises StepError where it fails, and whatever its inputs raise."""
        body = action.body
        assert isinstance(body, RunBody)  # noqa: S101 -- the caller dispatches
        parent = state_of(action.parent)
        index = self._states.index(parent)
        trees = self._states.trees(parent)
        user = identity.run_user(index, body.user)
        with ExitStack() as stack:
            mounts, variables = self._mounts(action, state_of, scratch, stack)
            begin = self._states.tree_store.begin
            temp, work = stack.enter_context(begin()), stack.enter_context(begin())
            changes = temp.tree
            started = time.clock_gettime_ns(COARSE_CLOCK)
            upper.prepare(changes, index, single_id=self._settings.single_id)
            _make_directory(index, body.cwd, changes)
            spec = RunSpec(
                argv=body.argv,
                env=self._environment(action, body, user.home) | variables,
                cwd=body.cwd,
                uid=user.uid,
                gid=user.gid,
                groups=user.groups,
                lowers=tuple(map(str, reversed(trees))),
                upper=str(changes),
                work=str(work.tree),
                hostname=self._settings.hostname,
                network=_network(body.network),
                insecure=body.security == "insecure",
                mounts=mounts,
                hosts=self._settings.hosts(body.hosts),
                resolv=self._settings.resolv,
            )
            outcome = self._sandbox.run(spec, output)
            if outcome.status != 0:
                raise _failed(action, outcome.status)
            diff = upper.normalise(
                changes,
                index,
                self._states.source(parent).source,
                started_ns=started,
                epoch=self._settings.policy(action.target).epoch,
                userxattr=self._settings.userxattr,
                single_id=self._settings.single_id,
            )
            if diff.toc.entries:
                digest = put_toc(self._states.store, diff.toc)
                size = sum(entry.size for entry in diff.toc.entries)
                tree = self._states.tree_store.publish(temp, digest, size)
                self._states.keep(digest)
                diff = Diff(diff.toc, tree_sources(diff.toc, tree))
        return RunResult(diff, outcome.lossy)

    def _environment(self, action: Action, body: RunBody, home: str) -> dict[str, str]:
        epoch = self._settings.policy(action.target).epoch
        env = {} if epoch is None else {"SOURCE_DATE_EPOCH": str(epoch)}
        env |= {"HOME": home, **self._settings.environment}
        return env | dict(body.proxy) | dict(body.env)

    def _mounts(
        self,
        action: Action,
        state_of: Callable[[Node], StateID],
        scratch: Path,
        stack: ExitStack,
    ) -> tuple[tuple[MountSpec, ...], dict[str, str]]:
        body = action.body
        assert isinstance(body, RunBody)  # noqa: S101 -- the caller dispatches
        found: list[MountSpec] = []
        variables: dict[str, str] = {}
        for planned in body.mounts:
            mount = planned.mount
            if mount.type == "secret":
                self._secret(action, planned, found, variables)
            elif mount.type == "tmpfs":
                found.append(MountSpec("tmpfs", planned.target, size=mount.size or 0, mode=0o1777))
            elif mount.type == "cache":
                found.append(self._cache(planned, state_of, action.platform, stack))
            else:
                found.append(self._bind(planned, state_of, scratch))
        if body.script is not None:
            name, text = body.script
            tree = scratch / "pipes"
            tree.mkdir()
            script = tree / name
            script.write_text(text, encoding="utf-8", errors="surrogateescape")
            script.chmod(0o755)
            found.append(MountSpec("bind", "/dev/pipes", lowers=(str(tree),), subpath="/"))
        return tuple(found), variables

    def _secret(
        self,
        action: Action,
        planned: RunMount,
        found: list[MountSpec],
        variables: dict[str, str],
    ) -> None:
        mount = planned.mount
        name = mount.id or os.path.basename(planned.target)  # noqa: PTH119 -- a path inside
        value = self._settings.secrets(action.target, name)
        if value is None:
            if not mount.required:
                return
            raise StepError(
                f"secret {name!r} is required, and nobody has given it",
                hint=f"--secret id={name},src=FILE gives it, or secrets: in the build file",
            )
        if mount.env:
            variables[mount.env] = value.decode("utf-8", "surrogateescape")
            if not planned.target:
                return
        found.append(
            MountSpec(
                "secret",
                planned.target or f"{_SECRETS}/{name}",
                data=value,
                uid=mount.uid or 0,
                gid=mount.gid or 0,
                mode=0o400 if mount.mode is None else mount.mode,
            )
        )

    def _cache(
        self,
        planned: RunMount,
        state_of: Callable[[Node], StateID],
        platform: Platform,
        stack: ExitStack,
    ) -> MountSpec:
        mount = planned.mount
        wanted = CacheMount(
            id=mount.id or os.path.normpath(planned.target),
            architecture=platform.architecture,
            sharing=mount.sharing or "shared",
            uid=mount.uid or 0,
            gid=mount.gid or 0,
            mode=0o755 if mount.mode is None else mount.mode,
        )
        source = planned.source

        def fill(directory: Path) -> None:
            if source is not None and not isinstance(source, ContextInput):
                tree = self._states.source(state_of(source))
                step = CopyStep(_NOWHERE, (f"{mount.source or '/'}",), "/", context=False)
                diff = perform(step, Index(), Inputs(tree=tree), Times(created=0), directory)
                write_tree(diff, directory)

        directory = stack.enter_context(self._caches.use(wanted, fill))
        return MountSpec(
            "cache", planned.target, source=str(directory), writable=not mount.readonly
        )

    def _bind(
        self,
        planned: RunMount,
        state_of: Callable[[Node], StateID],
        scratch: Path,
    ) -> MountSpec:
        mount, source = planned.mount, planned.source
        subpath = mount.source or "/"
        if isinstance(source, ContextInput):
            lowers: tuple[str, ...] = (self._context(source, subpath, scratch),)
        elif source is not None:
            lowers = tuple(map(str, reversed(self._states.trees(state_of(source)))))
        else:
            raise StepError(f"mount {planned.target} of type {mount.type} has no source")
        return MountSpec(
            "bind",
            planned.target,
            lowers=lowers,
            subpath=subpath,
            writable=not mount.readonly,
        )

    def _context(self, source: ContextInput, subpath: str, scratch: Path) -> str:
        """Make what a bind mount shows of a context real: filtered, owned by root, unchanging."""
        step = mount_step(subpath)
        epoch = self._settings.policy(source.target).epoch
        times = Times(created=epoch or 0, context=epoch)
        diff = perform(step, Index(), Inputs(tree=self._contexts(source)), times, scratch)
        digest = put_toc(self._states.store, diff.toc)
        return str(self._states.keep(digest) or self._states.write(digest, diff))


def mount_step(subpath: str) -> CopyStep:
    """Return the copy that selects what a bind mount shows, at the same path."""
    path = subpath.strip("/")
    if not path:
        return CopyStep(_NOWHERE, (".",), "/")
    return CopyStep(_NOWHERE, (path,), "/", parents=True)


_NOWHERE = Location("bind mount")


def _network(network: str) -> Network:
    if network == "none":
        return "none"
    return "host" if network == "host" else "default"


def _failed(action: Action, status: int) -> StepError:
    """Say how a command ended; signals are named."""
    how = f"exit status {status}"
    if status > SIGNALLED:
        name = signal.strsignal(status - SIGNALLED)
        how += f" ({name})" if name else ""
    command = action.text if len(action.text) <= SHOWN else action.text[: SHOWN - 1] + "…"
    return StepError(
        f"{command} ended with {how}",
        location=action.location,
        hint=_STATUS_HINTS.get(status),
    )


SIGNALLED = 128
SHOWN = 200
_STATUS_HINTS = {
    126: "the command was found, but is no executable of this image's platform, or lacks mode x",
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
    place, done = changes, ""
    for name in resolved.split("/"):
        done = f"{done}/{name}" if done else name
        place = place / name
        place.mkdir(mode=0o755)
        found = index.get(done)
        if found is not None:
            if found.entry.type != toc.DIRECTORY:
                message = f"the working directory {path} leads through a file"
                raise StepError(message, hint="WORKDIR names a directory")
            os.chown(place, found.entry.uid, found.entry.gid)
            place.chmod(found.entry.mode)
            os.utime(place, (found.entry.mtime, found.entry.mtime))
