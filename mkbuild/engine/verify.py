"""``mkbuild verify``: builds images once more, from nothing, and compares them bit for bit."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from mkbuild.engine.build import wanted_labels
from mkbuild.engine.images import BuiltImage
from mkbuild.engine.invocation import Invocation, Outcomes
from mkbuild.engine.lock import Pins
from mkbuild.engine.request import BuildRequest, CacheFlags, Publishing
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.errors import BuildError, CancelledError
from mkbuild.events import Reporter
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor
from mkbuild.sandbox import detect
from mkbuild.snapshot import layerread


@frozen
class Verdict:
    """What became of one image: its digests in both builds, and the first thing that differs."""

    label: str
    platform: str
    first: str
    second: str
    difference: str = ""


def verify(request: BuildRequest, reporter: Reporter) -> list[Verdict]:
    """Build with what is cached, then in an empty store without any cache; raises MkbuildError.

    Both builds start from the same base images.
    """
    detect.enter(request.behaviour.sandbox)
    request = replace(request, publishing=Publishing())
    selected = open_workspace(request)
    try:
        with (
            Session(Path(request.storage), reporter, selected.workspace.cache) as session,
            closing(Invocation(session, request, selected)) as invocation,
        ):
            labels = wanted_labels(invocation, request, selected)
            outcomes = _built(invocation.build(labels))
            pins = Pins(invocation.pins.seen())
            fresh = replace(request, storage=str(session.directory()), caches=CacheFlags())
            alone = _alone(selected)
            return list(_again(fresh, alone, pins, before=invocation, outcomes=outcomes))
    finally:
        reporter.close()


def _alone(selected: Selected) -> Selected:
    """Leave shared caches out."""
    workspace = selected.workspace
    cache = replace(workspace.cache, remotes=())
    return replace(selected, workspace=replace(workspace, cache=cache))


def _again(
    request: BuildRequest,
    selected: Selected,
    pins: Pins,
    *,
    before: Invocation,
    outcomes: Outcomes,
) -> Iterator[Verdict]:
    with (
        Session(Path(request.storage), before.session, selected.workspace.cache) as session,
        closing(Invocation(session, request, selected, pins)) as invocation,
    ):
        again = _built(invocation.build(tuple(outcomes.targets)))
        for label, target in outcomes.targets.items():
            pairs = zip(target.images, again.targets[label].images, strict=True)
            for first, second in pairs:
                yield _verdict(before, invocation, first, second)


def _built(outcomes: Outcomes) -> Outcomes:
    if outcomes.error is not None:
        raise outcomes.error
    if outcomes.skipped:
        raise CancelledError("interrupted")
    return outcomes


def _verdict(
    before: Invocation, after: Invocation, first: BuiltImage, second: BuiltImage
) -> Verdict:
    found = Verdict(
        first.label,
        str(first.config.platform),
        first.manifest.digest,
        second.manifest.digest,
    )
    if found.first == found.second:
        return found
    return replace(found, difference=_difference(before, after, first, second))


def _difference(
    before: Invocation, after: Invocation, first: BuiltImage, second: BuiltImage
) -> str:
    """Name the first layer that differs, and the first path in it; else the config."""
    ours, theirs = first.manifest.layers, second.manifest.layers
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False), 1):
        if one.digest != other.digest:
            toc, its = _toc(before, one), _toc(after, other)
            return f"layer {number}: {_entry(toc.entries, its.entries)}"
    if len(ours) != len(theirs):
        return f"{len(ours)} layers, then {len(theirs)}"
    return "the configs"


def _toc(invocation: Invocation, layer: Descriptor) -> Toc:
    invocation.bring(layer)
    with invocation.session.store.open(layer.digest) as stream:
        return layerread.unpack(stream, None)[0].toc


def _entry(first: Sequence[Entry], second: Sequence[Entry]) -> str:
    ours = {entry.path: entry for entry in first}
    theirs = {entry.path: entry for entry in second}
    for path in sorted({*ours, *theirs}):
        one, other = ours.get(path), theirs.get(path)
        if one is None or other is None:
            return f"/{path} is only in the {'second' if one is None else 'first'}"
        for name, value in one._asdict().items():
            if value != getattr(other, name):
                return f"/{path}: its {name} differs"
    return "the order of entries, or how they are compressed"


def complain(verdicts: Sequence[Verdict]) -> None:
    """Raise BuildError where a build does not give the same twice."""
    lines = [
        f"  {found.label} ({found.platform}): {found.first}, then {found.second}\n"
        f"    {found.difference}"
        for found in verdicts
        if found.difference
    ]
    if lines:
        raise BuildError(
            "built twice, and not the same:\n" + "\n".join(lines),
            hint="times, random numbers, hash order or the network went into it",
        )
