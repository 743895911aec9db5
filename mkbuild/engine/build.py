"""``mkbuild build``: from a request to an exit status."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from mkbuild.engine.against import compare_with
from mkbuild.engine.evidence import Asked, Witness, keep, may_be_kept, recall
from mkbuild.engine.images import BuiltTarget
from mkbuild.engine.invocation import Invocation, Outcomes
from mkbuild.engine.loading import Loading
from mkbuild.engine.outputs import write_outputs
from mkbuild.engine.preview import Preview, check_drift
from mkbuild.engine.publish import Publication, Publisher, destinations
from mkbuild.engine.report import Report
from mkbuild.engine.request import BuildRequest, WorkspaceInput
from mkbuild.engine.session import Session, is_new
from mkbuild.engine.since import affected
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.engine.writing import write_text
from mkbuild.errors import CancelledError, UsageError
from mkbuild.events import Message, PhaseFinished, Reporter, RunFinished
from mkbuild.graph.select import select
from mkbuild.progress.github import is_active
from mkbuild.progress.tee import Tee
from mkbuild.sandbox import detect


def build(
    request: BuildRequest,
    reporter: Reporter,
    asked: Asked | None = None,
    report: Report | None = None,
    loading: Loading | None = None,
) -> int:
    """Build, write outputs, publish; returns the exit status, raises MkbuildError.

    ``asked``: the command line, where its result is to be kept for the next time. ``report``: is
    filled in, for those who want to know what was built from what. ``loading``: has begun already.
    """
    entered = detect.enter(request.behaviour.sandbox)
    report = report or Report(request)
    began, files = time.time_ns(), report.files
    tee = Tee([reporter, report.recorder])
    ended: BaseException | None = None
    try:
        try:
            selected = recall(asked, files)
            if selected is None and loading is not None:
                new = is_new(Path(request.storage))
                selected = loading.take(files, _prepare if new else None)
            selected = selected or open_workspace(request, files)
        finally:
            tee.emit(PhaseFinished("load", time.time() - report.started))
        with (
            Session(Path(request.storage), tee, selected.workspace.cache) as session,
            closing(Invocation(session, request, selected)) as invocation,
        ):
            report.invocation = invocation
            if entered is not None and entered.mode != "root":
                session.emit(Message("debug", f"user namespace, {entered.mode}: {entered.reason}"))
            if asked is not None and asked.last is not None:
                invocation.contexts.believe(asked.last.walks)
            labels = report.wanted = wanted_labels(invocation, request, selected)
            if request.behaviour.against is not None:
                compare_with(invocation, selected, request.behaviour.against)
            if not labels:
                return _nothing_to_do(request, tee, report.started)
            _check_iidfile(request, labels)
            if request.behaviour.plan:
                check_drift(_read_plan(request.behaviour.plan), invocation.preview(labels))
            outcomes = invocation.build(labels)
            report.targets = list(outcomes.targets.values())
            _deliver(invocation, outcomes, report.started)
            _raise(outcomes)
            if asked is not None and may_be_kept(request) and not is_active(os.environ):
                events = [event for _, event in report.recorder.events]
                seen = Witness(
                    request, selected, invocation, files, outcomes, events, began, report.name
                )
                keep(asked, seen)
    except BaseException as error:
        ended = error
        raise
    finally:
        reporter.close()
        report.finish(ended, lambda text: reporter.emit(Message("warning", text)))
    return 0


def _prepare() -> None:
    """Import what asks registries: a build that is new to the store has a base to look for."""
    import mkbuild.registry.clients
    import mkbuild.registry.pull  # noqa: F401


def _check_iidfile(request: BuildRequest, labels: Sequence[str]) -> None:
    if request.publishing.iidfile and len(labels) != 1:
        message = f"--iidfile takes one image, not {len(labels)}"
        raise UsageError(message, hint="--metadata-file takes any number")


def _nothing_to_do(request: BuildRequest, reporter: Reporter, started: float) -> int:
    """End a run that is to build no image at all, since ``--since`` left none."""
    if request.publishing.metadata_file:
        write_text(Path(request.publishing.metadata_file), "{}\n")
    seconds = time.time() - started
    reporter.emit(RunFinished(ok=True, seconds=seconds, ran=0, hits=0, skipped=0))
    return 0


def _deliver(invocation: Invocation, outcomes: Outcomes, started: float) -> None:
    """Write and publish what was built, and say last of all how the run ended."""
    delivered = False
    phase = invocation.session.phase
    try:
        if outcomes.error is None and not outcomes.skipped:
            targets = list(outcomes.targets.values())
            with phase("write"):
                write_outputs(invocation, targets)
            with phase("publish"):
                publish(invocation, targets)
            delivered = True
    finally:
        if outcomes.summary is not None:
            seconds = time.time() - started
            ok = outcomes.summary.ok and delivered
            invocation.session.emit(replace(outcomes.summary, ok=ok, seconds=seconds))


def wanted_labels(
    invocation: Invocation, request: BuildRequest, selected: Selected
) -> tuple[str, ...]:
    """Return the labels that are wanted, and check that nothing needs itself."""
    if not isinstance(request.input, WorkspaceInput):
        return selected.selection
    labels = select(
        selected.selection,
        selected.workspace,
        lambda: invocation.planning.graph(tuple(invocation.targets)),
    )
    labels = affected(invocation.session, request, selected, labels)
    graph = invocation.planning.graph(tuple(labels))
    wanted = frozenset(labels)
    return tuple(label for label in graph.order() if label in wanted)


def plan(request: BuildRequest, reporter: Reporter) -> Preview:
    """Say what :func:`build` would do; raises MkbuildError."""
    began = time.monotonic()
    detect.enter(request.behaviour.sandbox)
    selected = open_workspace(request)
    reporter.emit(PhaseFinished("load", time.monotonic() - began))
    try:
        with (
            Session(Path(request.storage), reporter, selected.workspace.cache) as session,
            closing(Invocation(session, request, selected)) as invocation,
        ):
            if request.behaviour.against is not None:
                compare_with(invocation, selected, request.behaviour.against)
            return invocation.preview(wanted_labels(invocation, request, selected))
    finally:
        reporter.close()


def _read_plan(path: str) -> dict[str, Any]:
    try:
        document = json.loads(Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        message = f"--plan: cannot read {path}: {error}"
        raise UsageError(message, hint="mkbuild plan --json writes one") from error
    if not isinstance(document, dict):
        message = f"--plan: {path} is no plan"
        raise UsageError(message, hint="mkbuild plan --json writes one")
    return document


def publish(invocation: Invocation, targets: Sequence[BuiltTarget]) -> None:
    """Push what the request asks for; raises PublishError."""
    publishing = invocation.request.publishing
    if not (publishing.push or publishing.replicas):
        return
    # What a registry's cache holds by then is mounted from there instead of uploaded again.
    invocation.cache.flush()
    invocation.early.join()
    publications = []
    for target in targets:
        if not invocation.targets[target.label].publish:
            continue
        names = destinations(target.names, publishing)
        if not names:
            invocation.session.warn(f"{target.label} has no tags: it is not pushed")
        manifests = tuple(image.manifest for image in target.images)
        origins = {
            layer.digest: invocation.origins(layer.digest)
            for manifest in manifests
            for layer in manifest.layers
        }
        publications.append(
            Publication(names, target.document, manifests, invocation.bring, origins)
        )
    journals = invocation.session.storage / "publications"
    Publisher(
        invocation.registries.pusher(invocation.session.store), journals, invocation.session.emit
    ).publish(publications)


def _raise(outcomes: Outcomes) -> None:
    """Raise what stopped a build, where something did."""
    if outcomes.error is not None:
        raise outcomes.error
    if outcomes.skipped:
        message = "interrupted"
        raise CancelledError(message)
