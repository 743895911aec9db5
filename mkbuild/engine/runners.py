"""Makes what runs commands: the sandbox that this machine allows, and what all RUNs share."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mkbuild.errors import NotYetError
from mkbuild.execute.cachemounts import CacheMounts
from mkbuild.execute.mounts import Mounts
from mkbuild.execute.rootfs import Disk
from mkbuild.execute.run import Runner, RunSettings
from mkbuild.sandbox import detect, resolv
from mkbuild.sandbox.spec import Sandbox

if TYPE_CHECKING:
    from mkbuild.engine.invocation import Invocation


@dataclass(frozen=True, slots=True)
class Made:
    """A runner and its sandbox."""

    runner: Runner
    sandbox: Sandbox


def make_runner(invocation: "Invocation") -> Made:
    """Choose a sandbox and bind it to an invocation; raises SandboxError."""
    session, request = invocation.session, invocation.request
    mode = request.behaviour.sandbox
    if mode == "modifyfs":
        message = "--sandbox modifyfs cannot run commands yet"
        raise NotYetError(message, hint="--sandbox auto takes the best that works here")
    choice = detect.choose(mode, session.storage)
    settings = RunSettings(
        policy=invocation.policy,
        hosts=resolv.hosts,
        resolv=resolv.host_resolv_conf(),
        disk=Disk(session.userxattr, session.single_id),
        overlay=choice.overlay,
        allow=frozenset(request.behaviour.allow),
    )
    mounts = Mounts(
        invocation.states,
        CacheMounts(session.storage / "mounts"),
        invocation.contexts.tree,
        invocation.secrets.value,
        invocation.policy,
    )
    runner = Runner(choice.sandbox, invocation.states, mounts, settings)
    return Made(runner, choice.sandbox)
