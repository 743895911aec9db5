"""Makes what runs commands: the sandbox that this machine allows, and what all RUNs share."""

import threading
from collections.abc import Callable, Mapping

from mkbuild.buildfile.target import Resources
from mkbuild.context.scan import ContextTree
from mkbuild.engine.request import Behaviour
from mkbuild.engine.session import Session
from mkbuild.events import Message
from mkbuild.execute.cachemounts import CacheMounts
from mkbuild.execute.mounts import Mounts
from mkbuild.execute.rootfs import Disk
from mkbuild.execute.run import Runner, RunSettings
from mkbuild.execute.states import States
from mkbuild.execute.takeover import Takeover
from mkbuild.frozen import frozen
from mkbuild.plan.actions import ContextInput
from mkbuild.plan.keys import Policy
from mkbuild.sandbox import detect, resolv
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.detect import Choice
from mkbuild.sandbox.limits import Limits, Places, find
from mkbuild.sandbox.spec import Sandbox
from mkbuild.schedule.machine import slots_held


@frozen
class Made:
    """A runner, its sandbox, and what that took over."""

    runner: Runner
    sandbox: Sandbox
    takeover: Takeover | None = None


class Confinement:
    """Limits of targets, and the places that hold them: looked for when the first is needed."""

    def __init__(self, limits: Mapping[str, Limits], warn: Callable[[str], None]) -> None:
        """``warn`` is told once of what cannot be held."""
        self._limits = limits
        self._warn = warn
        self._lock = threading.Lock()
        self._places = Places()

    def of(self, target: str) -> tuple[Limits, Places]:
        """Return the limits of a target's commands, and the places for them."""
        limits = self._limits.get(target, Limits())
        if not limits.wanted():
            return limits, Places()
        with self._lock:
            known = self._places
            fresh = find(limits.wanted() - known.found.keys() - known.missing.keys())
            if fresh.missing:
                self._warn(fresh.warning())
            self._places = Places(
                {**known.found, **fresh.found}, {**known.missing, **fresh.missing}
            )
            return limits, self._places


def share(resources: Resources, jobs: int) -> dict[str, str]:
    """Return the variables that tell a target's commands how many of the job slots are theirs."""
    slots = slots_held(resources.weight, jobs)
    told = {"MKBUILD_JOBS": str(slots)}
    if resources.makeflags:
        told["MAKEFLAGS"] = f"-j{slots}"
    return told


def make_runner(  # noqa: PLR0913 -- the parts it connects
    session: Session,
    behaviour: Behaviour,
    states: States,
    *,
    policy: Callable[[str], Policy],
    contexts: Callable[[ContextInput], ContextTree],
    secrets: Callable[[str, str], bytes | None],
    agents: Callable[[str, str], str | None],
    take_over: Callable[[], Takeover],
    limits: Mapping[str, Limits],
    environment: Callable[[str], Mapping[str, str]],
) -> Made:
    """Choose a sandbox and bind it to an invocation; raises SandboxError."""
    mode = behaviour.sandbox
    takeover = None
    if mode == "modifyfs":
        takeover = take_over()
        choice = Choice(ChrootSandbox("modifyfs"), overlay=False, reason="chosen")
    else:
        choice = detect.choose(mode, session.storage)
    session.emit(Message("debug", f"sandbox {choice.sandbox.mode}: {choice.reason}"))
    disk = Disk(session.userxattr, session.single_id)
    settings = RunSettings(
        policy=policy,
        hosts=resolv.hosts,
        # in modifyfs mode the container's own file stands
        resolv=b"" if takeover else resolv.host_resolv_conf(),
        disk=disk,
        overlay=choice.overlay,
        takeover=takeover,
        allow=frozenset(behaviour.allow),
        limits=Confinement(limits, session.warn).of,
        environment=environment,
    )
    caches = CacheMounts(session.storage / "mounts", single_id=session.single_id)
    mounts = Mounts(
        states,
        caches,
        contexts,
        secrets,
        policy,
        agents=agents,
        disk=disk,
        overlay=choice.overlay,
    )
    return Made(Runner(choice.sandbox, states, mounts, settings), choice.sandbox, takeover)
