"""``mkbuild why``: what differs between an image and what it was, and how that reaches it."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mkbuild.engine.against import check, named
from mkbuild.engine.build import wanted_labels
from mkbuild.engine.ends import Ends
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.log import Log, Run
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.session import Session
from mkbuild.engine.side import read_side
from mkbuild.engine.workspace import open_workspace
from mkbuild.events import PhaseFinished, Reporter
from mkbuild.frozen import frozen
from mkbuild.plan import explain, settings
from mkbuild.plan.sides import Listing, Side, Step
from mkbuild.sandbox import detect

VERSION = 1

Verdict = Literal["same", "steps", "settings", "not-cached", "new"]
"""``same``: nothing differs; ``steps``: keys do; ``settings``: only other members of the image do;
``not-cached``: nothing does, but results are in no cache any more; ``new``: there is no other.
"""


@frozen
class Past:
    """What an image is compared with: a run (``name``), or a commit that somebody called so."""

    kind: Literal["run", "ref"]
    name: str
    started: str = ""
    commit: str = ""


@frozen
class Reason:
    """What differs at one step, and the steps from it to the image, itself included."""

    changes: tuple[str, ...]
    chain: tuple[Step, ...]


@frozen
class Answer:
    """What is known of one image; ``past`` is None where it was never built.

    ``settings``: lines on what differs besides steps. ``missing``: steps whose results are gone.
    """

    label: str
    verdict: Verdict
    past: Past | None
    reasons: tuple[Reason, ...] = ()
    settings: tuple[str, ...] = ()
    missing: tuple[Step, ...] = ()


def why(request: BuildRequest, reporter: Reporter) -> list[Answer]:
    """Compare each selected image with its last build, or with the run or git ref of the request.

    Raises UsageError where that is neither.
    """
    against, began = request.behaviour.against, time.monotonic()
    detect.enter(request.behaviour.sandbox)
    selected = open_workspace(request)
    reporter.emit(PhaseFinished("load", time.monotonic() - began))
    try:
        with Session(Path(request.storage), reporter, selected.workspace.cache) as session:
            root = Path(selected.workspace.root)
            run = named(session, against, root) if against is not None else None
            invocation = Invocation(session, request, selected)
            try:
                labels = wanted_labels(invocation, request, selected)
                if against is not None and run is None:
                    ends = Ends(session, request, selected, against, invocation.comparison.listings)
                    return _since(ends, against, labels)
                return _in_runs(invocation, labels, run)
            finally:
                invocation.close()
    finally:
        reporter.close()


def _in_runs(invocation: Invocation, labels: tuple[str, ...], run: Run | None) -> list[Answer]:
    _, resolution, _ = invocation.resolve(labels)
    now = invocation.side()
    missing = frozenset(work.key for work in resolution.pending())
    if run is None:
        found = Log(invocation.session.storage).built(labels, invocation.comparison.place)
    else:
        found = dict.fromkeys(labels, run.record)
        check(run.record, labels, invocation.comparison.place)
    answers = []
    for label in labels:
        own = now.of(label)
        if label not in found:
            answers.append(Answer(label, "new", None))
            continue
        document = found[label].document
        past = Past("run", found[label].name, started=document["started"])
        answer = compare(
            label, own, read_side(document).of(label), past, invocation.comparison.listings
        )
        gone = tuple(step for key, step in own.steps.items() if key in missing)
        if gone and answer.verdict in {"same", "settings"}:
            verdict: Verdict = "not-cached" if answer.verdict == "same" else "settings"
            answer = replace(answer, verdict=verdict, missing=gone)
        answers.append(answer)
    return answers


def _since(ends: Ends, ref: str, labels: tuple[str, ...]) -> list[Answer]:
    now, then = ends.now(labels), ends.then(labels)
    past = Past("ref", ref, commit=ends.revision.commit)
    return [
        compare(label, now.of(label), then.of(label), past, ends.listings)
        if label in then.images
        else Answer(label, "new", past)
        for label in labels
    ]


def compare(label: str, now: Side, then: Side, past: Past, listing: Listing) -> Answer:
    """Say what differs in one image."""
    reasons: dict[tuple[str, ...], Reason] = {}  # an ARG reaches many steps: it is said once
    for cause in explain.causes(now, then, listing):
        ways = (
            explain.chain(cause.step, image.end, now.steps) for image in now.images[label].values()
        )
        way = min((way for way in ways if way), key=len)
        reasons.setdefault(cause.changes, Reason(cause.changes, tuple(way)))
    said = {line for reason in reasons.values() for line in reason.changes}
    rest = [line for line in settings.changes(now, then, label) if line not in said]
    verdict: Verdict = "steps" if reasons else "settings" if rest else "same"
    return Answer(label, verdict, past, tuple(reasons.values()), tuple(rest))


def document_of(answers: list[Answer]) -> dict[str, Any]:
    """Return answers as JSON objects (docs/explaining.md)."""
    return {"version": VERSION, "targets": {answer.label: _document(answer) for answer in answers}}


def _document(answer: Answer) -> Mapping[str, Any]:
    past = answer.past
    against = None
    if past is not None and past.kind == "run":
        against = {"run": past.name, "started": past.started}
    elif past is not None:
        against = {"ref": past.name, "commit": past.commit}
    return {
        "verdict": answer.verdict,
        "against": against,
        "reasons": [
            {"changes": list(reason.changes), "chain": list(map(_step, reason.chain))}
            for reason in answer.reasons
        ],
        "settings": list(answer.settings),
        "missing": list(map(_step, answer.missing)),
    }


def _step(step: Step) -> dict[str, str]:
    return {
        "target": step.target,
        "stage": step.stage,
        "instruction": step.instruction,
        "location": step.location,
        "key": step.key,
    }
