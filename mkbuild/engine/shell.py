"""``mkbuild shell``: a shell, or a command, where a step of a build works.

It is planned as a RUN at that place, and so finds what the step would: files, environment, user,
directory, mounts, network. Nothing that it changes is kept.
"""

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from mkbuild.engine.build import wanted_labels
from mkbuild.engine.failures import Failure, find_again, last_failure
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.reach import reach
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.errors import SandboxError, UsageError
from mkbuild.events import Reporter
from mkbuild.execute.shells import find_shell
from mkbuild.filesystem.index import Index
from mkbuild.frozen import frozen
from mkbuild.plan.actions import Action, RunBody, inputs
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.place import Place
from mkbuild.plan.stage import DEFAULT_SHELL
from mkbuild.progress import excerpt
from mkbuild.sandbox import detect
from mkbuild.sandbox.spec import MountSpec, Output, Relay

_FILES = "/.mkbuild"
"""Where a command finds what we bring along; never part of any state."""

_RUN_IT = b'eval "$MKBUILD_STEP"\n'
_SHOWN = 5


@frozen
class Where:
    """Which state is wanted, of one target.

    ``failure``: before that step. Else before the step at ``line`` of the Dockerfile ``file``
    (absolute; empty for the target's), or the end of ``stage``, or of the target's own stage.
    """

    failure: Failure | None = None
    file: str = ""
    line: int = 0
    stage: str = ""


@frozen
class What:
    """What runs there: words, or a text for SHELL; neither: an interactive shell.

    ``busybox``: absolute path of a static one, whose shell is taken.
    """

    words: tuple[str, ...] = ()
    text: str = ""
    busybox: str = ""

    @property
    def interactive(self) -> bool:
        """Whether somebody sits at it."""
        return not (self.words or self.text)


@frozen
class Console:
    """Where everything goes: reports, what is to be told before, output, keys."""

    reporter: Reporter
    say: Callable[[str], None]
    output: Output
    relay: Relay | None = None


@frozen
class _Spot:
    """A place in a target's Dockerfile; ``title`` and ``notes`` are for the user."""

    image: PlannedImage
    title: str
    notes: tuple[str, ...] = ()

    @property
    def action(self) -> Action:
        """The RUN that stands there."""
        action = self.image.node
        assert isinstance(action, Action)  # noqa: S101 -- plan_command gives one
        return action


def open_shell(request: BuildRequest, where: Where, what: What, console: Console) -> int:
    """Build what the state needs, and run something in it; returns its status."""
    behaviour = request.behaviour
    if behaviour.sandbox == "modifyfs" or behaviour.modifyfs != "false":
        raise SandboxError(
            "no shell can be opened in modifyfs mode: the state would take the place of /",
            hint="use --sandbox=namespace or --sandbox=chroot, on a machine that allows one",
        )
    detect.enter(behaviour.sandbox)
    selected = _cached(open_workspace(request))
    try:
        with Session(Path(request.storage), console.reporter, selected.workspace.cache) as session:
            invocation = Invocation(session, request, selected)
            try:
                spot = _spot(invocation, where, selected)
                resolution = reach(invocation, inputs(spot.action))
                console.reporter.close()
                state = resolution.state(spot.action.parent)
                action, mounts = _command(spot, what, invocation.states.index(state))
                for line in _introduction(spot, what):
                    console.say(line)
                return invocation.runner().attend(
                    action,
                    resolution.state,
                    session.directory(),
                    mounts=mounts,
                    output=console.output,
                    relay=console.relay,
                )
            finally:
                invocation.close()
    finally:
        console.reporter.close()


def _cached(selected: Selected) -> Selected:
    """Take any result that there is: nothing is to run again for a look at it."""
    targets = {
        label: replace(target, no_cache=False, no_cache_filter=())
        for label, target in selected.workspace.targets.items()
    }
    return replace(selected, workspace=replace(selected.workspace, targets=targets))


def _spot(invocation: Invocation, where: Where, selected: Selected) -> _Spot:
    failure = where.failure
    if failure is not None and failure.step is not None:
        return _before_failed(invocation, failure) or _gone(failure)
    if failure is not None:
        where = _located(invocation, failure)
    label = _label(invocation, where, selected)
    if not (where.line or where.stage):
        request = invocation.request
        failure = last_failure(request.storage, request.directory, label)
        spot = _before_failed(invocation, failure) if failure is not None else None
        if spot is not None:
            return spot
        if failure is not None and failure.step is None:
            found = _located(invocation, failure)
            where = found if found.file == invocation.targets[label].dockerfile else where
    platform = invocation.planning.platforms(label)[0]
    image = invocation.planning.plan_command(label, platform, Place(where.line), where.stage)
    how = "before" if where.line else "end of the stage that begins at"
    return _Spot(image, f"{label}, {how} {_named(image)}")


def _located(invocation: Invocation, failure: Failure) -> Where:
    """Return the place of a step that failed before anything could run."""
    place = excerpt.parse(failure.place)
    return Where(file=os.path.join(invocation.request.directory, place.file), line=place.line)  # noqa: PTH118 -- text


def _before_failed(invocation: Invocation, failure: Failure) -> _Spot | None:
    """Return the place of a failed step; None where nothing like it is planned today."""
    if failure.step is None or failure.step["target"] not in invocation.targets:
        return None
    label = failure.step["target"]
    found = find_again(invocation, label, failure)
    if found is None:
        return None
    place = Place(found.action.location.line, found.action.text)
    image = invocation.planning.plan_command(label, found.platform, place)
    notes = (f"note: this step failed; {found.changed}",) if found.changed else ()
    return _Spot(image, f"{label}, before {_named(image)}", notes)


def _gone(failure: Failure) -> NoReturn:
    raise UsageError(
        f"the step that failed last is planned no more: {failure}",
        hint="mkbuild shell TARGET --at LINE opens a place that you name",
    )


def _label(invocation: Invocation, where: Where, selected: Selected) -> str:
    """Return the target that is meant: the one selected, or the one that a Dockerfile builds."""
    labels = wanted_labels(invocation, invocation.request, selected)
    if where.file:
        built = [n for n, target in invocation.targets.items() if target.dockerfile == where.file]
        labels = tuple(label for label in built if label in labels)
    if len(labels) != 1:
        found = ", ".join(sorted(labels)[:_SHOWN]) or "no target"
        raise UsageError(
            f"a shell is opened in one target, and {found} is what was named",
            hint="mkbuild shell TARGET; --at FILE:LINE needs none where one target has the file",
        )
    return labels[0]


def _named(image: PlannedImage) -> str:
    action = image.node
    assert isinstance(action, Action)  # noqa: S101 -- plan_command gives one
    return f"{action.location.file}:{action.location.line} [{action.stage}]"


def _command(spot: _Spot, what: What, index: Index) -> tuple[Action, tuple[MountSpec, ...]]:
    """Put a command in the place of the one that stands there; return the files it finds, too."""
    action, config = spot.action, spot.image.config.config
    body = action.body
    assert isinstance(body, RunBody)  # noqa: S101 -- plan_command gives one
    env, mounts = {"MKBUILD_STEP": shlex.join(body.argv)} if body.argv else {}, []
    if what.interactive:
        env["TERM"] = os.environ.get("TERM", "dumb")
        if body.argv:
            env["HISTFILE"] = f"{_FILES}/history"
            mounts.append(MountSpec("secret", f"{_FILES}/history", data=_RUN_IT, mode=0o444))
    given = dict(body.env)
    if what.busybox:
        mounts.append(MountSpec("bind", f"{_FILES}/busybox", source=what.busybox))
        shell: tuple[str, ...] = (f"{_FILES}/busybox", "sh")
    elif what.interactive:
        shell = (find_shell(index, given, config.shell),)
    else:
        shell = config.shell or DEFAULT_SHELL
    if what.text:
        shell += ("-c", what.text) if what.busybox else (what.text,)
    argv = what.words or shell
    ours = tuple(pair for pair in env.items() if pair[0] not in given)
    return replace(action, body=replace(body, argv=argv, env=ours + body.env)), tuple(mounts)


def _introduction(spot: _Spot, what: What) -> Iterator[str]:
    yield from spot.notes
    if not what.interactive:
        return
    body = spot.action.body
    assert isinstance(body, RunBody)  # noqa: S101 -- plan_command gives one
    yield spot.title
    if body.argv:
        yield f"  {spot.action.text}"
        yield f"run it: {_RUN_IT.decode().strip()}"
    yield "what is changed here is thrown away; exit leaves"
