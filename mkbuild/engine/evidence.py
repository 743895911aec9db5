"""Writes down what a finished build rested on, so that the next one need not find it out again.

See :mod:`mkbuild.engine.compiled` for what is made of it. Nothing is written down where a build
looked at something whose change could not be told later: a download, a git repository, a tag that
is resolved each time, or a file that was changed while or shortly before the build looked at it.
"""

import os
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import GitContext, LayoutContext, Target
from mkbuild.context.digests import is_settled
from mkbuild.digest import Digest
from mkbuild.engine.compiled import Compiled, environment_of, write
from mkbuild.engine.contexts import Contexts, found_in
from mkbuild.engine.files import DiskFiles, Git
from mkbuild.engine.request import BuildRequest, DockerfileInput, Publishing
from mkbuild.engine.walks import Identity, Walk, identity
from mkbuild.engine.workspace import Selected
from mkbuild.events import (
    Event,
    Message,
    Published,
    RunFinished,
    RunStarted,
    StepFinished,
    TargetFinished,
)
from mkbuild.execute.filestep import remote_sources
from mkbuild.frozen import frozen
from mkbuild.oci import reference as references
from mkbuild.plan.actions import AddStep
from mkbuild.progress import text
from mkbuild.progress.plain import PlainReporter
from mkbuild.registry.standing import Tag

if TYPE_CHECKING:
    from mkbuild.engine.invocation import Invocation, Outcomes

_DAY = 86400
"""Seconds after which a build goes its usual way, and renews what the store knows of uses."""

_KEPT = 64
"""Compiled plans kept in a store."""


class _DoubtError(Exception):
    """Something that the build looked at may have changed meanwhile, or could not be told."""


@frozen
class Asked:
    """A command line: its plan's name, how its reports are shown, and what it last came to."""

    name: str
    mode: str
    verbose: bool
    last: Compiled | None = None


@frozen
class Witness:
    """What a build that is over leaves behind; ``began``: in ns since 1970, before it looked.

    ``record``: the name of the run's record.
    """

    request: BuildRequest
    selected: Selected
    invocation: "Invocation"
    files: DiskFiles
    outcomes: "Outcomes"
    events: Sequence[Event]
    began: int
    record: str


def keep(asked: Asked, witness: Witness) -> None:
    """Write down the result of a command line, where that can be done."""
    directory = Path(witness.request.storage) / "compiled"
    try:
        plan = _compile(asked, witness)
        directory.mkdir(mode=0o700, exist_ok=True)
        write(plan, str(directory / asked.name))
        _prune(directory)
    except (_DoubtError, OSError):
        return  # the next build finds out for itself


def recall(asked: Asked | None, files: DiskFiles) -> Selected | None:
    """Return what reading the build files came to last time, where it would come to that again.

    ``files`` is told what was looked at. None where the files have to be read.
    """
    last = asked.last if asked is not None else None
    if last is None or not last.loads_alike(os.environ):
        return None
    try:
        selected, looked, globs = pickle.loads(last.loaded)  # noqa: S301 -- of a plan of our own
    except (ImportError, AttributeError, TypeError, ValueError, pickle.UnpicklingError):
        return None  # a program that was changed since has other classes
    files.looked.update(looked)
    files.globs.update(globs)
    found: Selected = selected
    return found


def may_be_kept(request: BuildRequest) -> bool:
    """Whether a request asks for no more than that its images are in the store, or pushed."""
    lone = request.input
    if isinstance(lone, DockerfileInput) and lone.dockerfile == "-":
        return False
    behaviour, caches = request.behaviour, request.caches
    rerun = caches.always or caches.no_cache or caches.no_cache_filter
    more = behaviour.explain or behaviour.interactive or behaviour.plan or behaviour.question
    return not (
        rerun
        or more
        or behaviour.dry_run
        or request.sources.pull
        or replace(request.publishing, push=False, registries=(), replicas=()) != Publishing()
        or getattr(lone, "since", None)
    )


def _compile(asked: Asked, witness: Witness) -> Compiled:
    invocation, began = witness.invocation, witness.began
    workspace = invocation.workspace
    _refuse_changing(witness)
    hidden = _hidden(invocation)
    events = list(_as_hits(witness.events))
    now = time.time()
    return Compiled(
        since=now,
        until=min(now + _DAY, invocation.bases.until),
        environment=environment_of(os.environ, hidden),
        hidden=hidden,
        git=(workspace.root, _git_facts(invocation)),
        followed=_columns(_followed(witness), began),
        walks=tuple(_walks(invocation.contexts, began)),
        blobs=_blobs(witness),
        tags=_tags(witness),
        mode=asked.mode,
        verbose=asked.verbose,
        said=_said(events, verbose=asked.verbose),
        events=tuple(
            (type(event).__name__, tuple(getattr(event, item.name) for item in fields(event)))
            for event in events
        ),
        record=witness.record,
        loaded=pickle.dumps((witness.selected, witness.files.looked, witness.files.globs)),
    )


def _git_facts(invocation: "Invocation") -> dict[str, str | None]:
    """Return what git was asked; whoever asked for the history rests on where HEAD is."""
    workspace = invocation.workspace
    facts = dict(workspace.evidence.git)
    if invocation.commits.asked:
        facts["sha"] = Git(Path(workspace.root))("sha")
    return facts


def _refuse_changing(witness: Witness) -> None:
    """Refuse what has to be looked at anew by each build."""
    invocation = witness.invocation
    if any(invocation.targets[target].outputs for target in witness.outcomes.targets):
        raise _DoubtError
    for label in invocation.planning.dockerfiles.labels:
        target: Target = invocation.targets[label]
        for source in (target.context, *target.contexts.values()):
            if isinstance(source, GitContext | LayoutContext):
                raise _DoubtError
    resolution = invocation.resolution
    for work in resolution.works.values() if resolution else ():
        body = work.action.body
        if work.action.no_cache or (isinstance(body, AddStep) and remote_sources(body)):
            raise _DoubtError


def _hidden(invocation: "Invocation") -> dict[str, bool]:
    """Return the variables whose value makes no difference, and whether they are there."""
    names = {s.env or s.id for target in invocation.targets.values() for s in target.secrets}
    for remote in invocation.workspace.cache.remotes:
        names |= {remote.key_env, remote.password_env}
    names -= {"", *invocation.workspace.evidence.environment}
    return {name: name in os.environ for name in sorted(names)}


def _as_hits(events: Sequence[Event]) -> Iterator[Event]:
    """Return what a build that finds all of this done would report."""
    steps = 0
    starts = 0
    for event in events:
        match event:
            case RunStarted():
                starts += 1
                yield event
            case StepFinished(status=status):
                if status not in {"ran", "hit-local", "hit-remote"}:
                    raise _DoubtError
                steps += 1
                yield replace(event, status="hit-local", seconds=0.0)
            case TargetFinished():
                yield replace(event, ran=0, seconds=0.0)
            case RunFinished():
                yield replace(event, ran=0, hits=steps)
            case Published():
                yield replace(event, moved=False)
            case Message(level="warning"):
                raise _DoubtError
            case _:
                pass
    if starts != 1:
        raise _DoubtError


def _said(events: Sequence[Event], *, verbose: bool) -> str:
    """Return what plain reports say, up to the time that it took, which is said at their end."""
    lines = StringIO()
    reporter = PlainReporter(lines, verbose=verbose)
    for event in events:
        reporter.emit(replace(event, seconds=0.0) if isinstance(event, RunFinished) else event)
    said, time_, end = lines.getvalue().rpartition(text.seconds(0.0))
    if not time_ or end != "\n":
        raise _DoubtError
    return said


def _followed(witness: Witness) -> Iterator[tuple[str, os.stat_result | None]]:
    """Look again at every file that was read, and at where one was looked for in vain."""
    invocation = witness.invocation
    for path in (f"{invocation.workspace.root}/BUILD.lock", *_settings(witness)):
        yield path, _stat(path)
    looked = {**witness.files.looked, **invocation.contexts.looked}
    looked.update(dict.fromkeys(invocation.planning.dockerfiles.paths, True))
    for path, there in looked.items():
        status = _stat(path)
        if there != (status is not None):
            raise _DoubtError
        yield path, status
    for directory, pattern, _ in invocation.workspace.evidence.globs:
        for path in globbed(directory, pattern):
            yield path, _stat(path)


def globbed(directory: str, pattern: str) -> Iterator[str]:
    """Return paths that say, by what they are or hold, what a pattern matches."""
    todo: list[tuple[str, tuple[str, ...]]] = [(directory, tuple(pattern.split("/")))]
    while todo:
        place, parts = todo.pop()
        yield place
        if not parts:
            continue
        first, *rest = parts
        if not set("*?[").intersection(first):
            todo.append((f"{place}/{first}", tuple(rest)))
            continue
        try:
            with os.scandir(place) as found:
                names = [item.path for item in found if item.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            continue
        below = parts if first == "**" else tuple(rest)
        if first == "**":
            todo.append((place, tuple(rest)))
        if below:
            todo.extend((name, below) for name in names)


def _walks(contexts: Contexts, began: int) -> Iterator[Walk]:
    """Return the contexts as this build found them, or believed them to be."""
    for which in {**contexts.walked, **contexts.parts}:
        if which not in contexts.walked:
            yield contexts.standing[which]
            continue
        tree = contexts.walked[which].tree
        if not all(is_settled(status, began) for status in tree.walked.values()):
            raise _DoubtError
        yield Walk.made(*which, found_in(tree), contexts.parts.get(which, {}))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 -- as it will be asked
    except (FileNotFoundError, NotADirectoryError):
        return None


def _columns(
    found: Iterable[tuple[str, os.stat_result | None]], began: int
) -> tuple[tuple[str, ...], tuple[Identity | None, ...]]:
    known: dict[str, Identity | None] = {}
    for path, status in found:
        if status is not None and not is_settled(status, began):
            raise _DoubtError
        known[path] = None if status is None else identity(status)
    return tuple(known), tuple(known.values())


def _blobs(witness: Witness) -> tuple[Digest, ...]:
    """Return the digests of what the images are made of, but for layers that came with a base."""
    found: dict[Digest, None] = {}
    for target in witness.outcomes.targets.values():
        found[target.document.digest] = None
        for image in target.images:
            own = image.manifest.layers[image.base_layers :]
            for descriptor in (image.manifest.descriptor(), image.manifest.config, *own):
                found[descriptor.digest] = None
    store = witness.invocation.session.store
    if not all(store.has(digest) for digest in found):
        raise _DoubtError
    return tuple(found)


def _tags(witness: Witness) -> tuple[Tag, ...]:
    """Return where the images were pushed; only registries that speak plain HTTP can be asked."""
    found = []
    for event in witness.events:
        if isinstance(event, Published):
            name = references.parse(event.name)
            client = witness.invocation.registries.clients().get(name.registry, name.repository)
            scheme, _, host = client.transport.base.partition("://")
            if scheme != "http":
                raise _DoubtError
            found.append((host, name.repository, name.tag, event.digest))
    return tuple(found)


def _settings(witness: Witness) -> Iterator[str]:
    """Return the files that say how registries are reached, which matters to a push alone."""
    if any(isinstance(event, Published) for event in witness.events):
        yield from witness.invocation.registries.files


def _prune(directory: Path) -> None:
    """Remove the oldest plans."""
    plans = sorted(directory.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    for path in plans[:-_KEPT]:
        path.unlink(missing_ok=True)
