"""RUN --mount: what a command finds at its mount points (Dockerfile reference, "RUN --mount")."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.action import StateID
from mkbuild.context.scan import ContextTree
from mkbuild.errors import StepError
from mkbuild.execute.agent import forwarded
from mkbuild.execute.cachemounts import CacheMount, CacheMounts
from mkbuild.execute.filestep import Inputs, Times, perform
from mkbuild.execute.rootfs import Disk, flattened
from mkbuild.execute.states import States
from mkbuild.filesystem.index import Index
from mkbuild.location import Location
from mkbuild.plan.actions import Action, ContextInput, CopyStep, Node, RunBody, RunMount
from mkbuild.plan.keys import Policy
from mkbuild.sandbox.spec import MountSpec
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store.tocs import put_toc

_SECRETS = "/run/secrets"
_NOWHERE = Location("bind mount")


class Mounts:
    """Makes mounts real: secrets read, caches locked, contexts and states turned into trees."""

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        states: States,
        caches: CacheMounts,
        contexts: Callable[[ContextInput], ContextTree],
        secrets: Callable[[str, str], bytes | None],
        policy: Callable[[str], Policy],
        *,
        agents: Callable[[str, str], str | None],
        disk: Disk,
        overlay: bool,
    ) -> None:
        """``secrets``: the value of a target's secret, by id; ``agents``: its agent's socket.

        ``overlay``: whether the sandbox can show several trees as one.
        """
        self._disk = disk
        self._overlay = overlay
        self._states = states
        self._caches = caches
        self._contexts = contexts
        self._secret_of = secrets
        self._agent_of = agents
        self._policy = policy

    def bind(
        self,
        action: Action,
        state_of: Callable[[Node], StateID],
        scratch: Path,
        stack: ExitStack,
    ) -> tuple[tuple[MountSpec, ...], dict[str, str]]:
        """Return the mounts of an action, and variables that hold secrets.

        ``stack`` lets go of cache directories and agents; what is written for the command lies in
        ``scratch``.
        """
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
            elif mount.type == "ssh":
                agent = self._agent(action, mount.id or "default", required=mount.required)
                if agent is not None:
                    number = sum(spec.type == "ssh" for spec in found)
                    target = planned.target or f"/run/buildkit/ssh_agent.{number}"
                    source = scratch / f"agent.{number}"
                    stack.enter_context(self._forwarded(agent, source, planned))
                    found.append(MountSpec("ssh", target, source=str(source)))
                    variables.setdefault("SSH_AUTH_SOCK", target)
            elif mount.type == "cache":
                found.append(self._cache(planned, state_of, action, stack))
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
        name = mount.credential(planned.target)
        value = self._secret_of(action.target, name)
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
                planned.target or f"{_SECRETS}/{name.rpartition('/')[2]}",
                data=value,
                uid=mount.uid or 0,
                gid=mount.gid or 0,
                mode=0o400 if mount.mode is None else mount.mode,
            )
        )

    def _agent(self, action: Action, name: str, *, required: bool) -> str | None:
        socket = self._agent_of(action.target, name)
        if socket is None and required:
            raise StepError(
                f"ssh agent {name!r} is required, and nobody has given it",
                hint=f"--ssh {name} gives the agent of SSH_AUTH_SOCK, or ssh: in the build file",
            )
        return socket

    def _forwarded(
        self, agent: str, source: Path, planned: RunMount
    ) -> AbstractContextManager[None]:
        mount = planned.mount
        owner = None if self._disk.single_id else (mount.uid or 0, mount.gid or 0)
        mode = 0o600 if mount.mode is None else mount.mode
        return forwarded(agent, source, owner=owner, mode=mode)

    def _cache(
        self,
        planned: RunMount,
        state_of: Callable[[Node], StateID],
        action: Action,
        stack: ExitStack,
    ) -> MountSpec:
        mount = planned.mount
        wanted = CacheMount(
            id=mount.id or os.path.normpath(planned.target),
            architecture=action.platform.architecture,
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

        directory = stack.enter_context(self._caches.use(wanted, fill, fresh=action.no_cache))
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
            lowers = self._lowers(state_of(source), scratch)
        else:
            raise StepError(f"mount {planned.target} of type {mount.type} has no source")
        return MountSpec(
            "bind",
            planned.target,
            lowers=lowers,
            subpath=subpath,
            writable=not mount.readonly,
        )

    def _lowers(self, state: StateID, scratch: Path) -> tuple[str, ...]:
        """Return trees that show a state, topmost first: one alone where no overlay can be had."""
        trees = self._states.trees(state)
        if self._overlay or len(trees) <= 1:
            return tuple(map(str, reversed(trees)))
        tree = scratch / f"bind-{digests.hex_of(digests.of_value('mkbuild.bind.v1', state))}"
        if not tree.exists():
            tree.mkdir(mode=0o755)
            write_tree(flattened(self._states, state), tree, single_id=self._disk.single_id)
        return (str(tree),)

    def _context(self, source: ContextInput, subpath: str, scratch: Path) -> str:
        """Make what a bind mount shows of a context real: filtered, owned by root, unchanging."""
        step = mount_step(subpath)
        epoch = self._policy(source.target).epoch
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
