"""One run as a record: what was built, from what, when, and what took how long.

See :mod:`mkbuild.engine.log` for where records are kept, docs/reports.md for what they hold.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mkbuild import __version__
from mkbuild.action import ActionKey
from mkbuild.engine.log import VERSION
from mkbuild.engine.resolution import Resolution
from mkbuild.engine.side import document_of
from mkbuild.errors import CancelledError, MkbuildError
from mkbuild.events import (
    Event,
    LayerFinished,
    PhaseFinished,
    Published,
    StepFinished,
    StepStarted,
    Transfer,
)
from mkbuild.plan.actions import Action, walk
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.sides import Side
from mkbuild.progress.recorder import Recorder


def describe(  # noqa: PLR0913 -- what a run consists of
    *,
    started: float,
    error: BaseException | None,
    directory: str,
    workspace: str,
    arguments: Sequence[str],
    git: Mapping[str, str | None],
    wanted: Sequence[str],
    images: Iterable[tuple[str, PlannedImage]],
    resolution: Resolution | None,
    side: Side,
    why: Mapping[ActionKey, str],
    targets: Mapping[str, Mapping[str, Any]],
    recorder: Recorder,
) -> dict[str, Any]:
    """Return a run as JSON objects; ``error`` is what ended it early, at ``place`` in a file.

    ``steps``: by definition key, each with its key's components, so that the first one that
    differs can be named later, and with ``why`` it had no result. ``order``: the keys of each
    target's steps. ``bases`` and ``images`` are the rest of ``side``, which is empty where nothing
    was resolved. ``workspace``: where the root build file is, or the context of a lone Dockerfile;
    labels count within it. Times are in seconds, ``begin`` of anything since the run started.
    """
    return {
        "version": VERSION,
        "mkbuild": __version__,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "ok": error is None,
        "error": _what_happened(error) if error else "",
        "place": _where(error),
        "directory": directory,
        "workspace": workspace,
        "arguments": list(arguments),
        "git": dict(git),
        "wanted": list(wanted),
        "targets": {label: dict(target) for label, target in targets.items()},
        **_steps(images, resolution, side, why, _timing(recorder, started)),
        **document_of(side),
        **_rest(recorder.events, started),
    }


def _what_happened(error: BaseException) -> str:
    if isinstance(error, CancelledError | KeyboardInterrupt):
        return "interrupted"
    return (error.message if isinstance(error, MkbuildError) else "") or type(error).__name__


def _where(error: BaseException | None) -> str:
    return str(error.location or "") if isinstance(error, MkbuildError) else ""


def _steps(
    images: Iterable[tuple[str, PlannedImage]],
    resolution: Resolution | None,
    side: Side,
    why: Mapping[ActionKey, str],
    timing: Mapping[str, Mapping[str, Any]],
) -> dict[str, dict[str, Any]]:
    steps: dict[str, dict[str, Any]] = {}
    order: dict[str, list[str]] = {}
    for label, image in images if resolution else ():
        keys = order.setdefault(label, [])
        for node in walk((image.node,)):
            if not isinstance(node, Action) or resolution is None:
                continue
            work = resolution.work(node)
            if work.key not in keys:
                keys.append(work.key)
            if work.key not in steps:
                steps[work.key] = {
                    "target": node.target,
                    "stage": node.stage,
                    "instruction": node.text,
                    "location": str(node.location),
                    "key": work.key,
                    "state": work.result.state if work.result else "",
                    "base": image.base.name,
                    "components": side.steps[work.key].components,
                    "args": sorted(side.steps[work.key].args),
                    "origins": list(side.steps[work.key].origins),
                    "why": why.get(work.key, ""),
                    **timing.get(work.key, _SKIPPED),
                }
    return {"order": order, "steps": steps}


_SKIPPED = {"status": "skipped", "source": "", "begin": 0.0, "seconds": 0.0}


def _timing(recorder: Recorder, started: float) -> dict[str, dict[str, Any]]:
    """Return status, begin and duration of each step; a hit begins when it was found."""
    found: dict[str, dict[str, Any]] = {}
    now = time.time()
    for at, event in recorder.events:
        if isinstance(event, StepStarted):
            # Until it ends: a second Ctrl-C leaves what runs behind.
            found[event.step] = {**_SKIPPED, **_span(now - started, now - at)}
        elif isinstance(event, StepFinished):
            found[event.step] = {
                "status": "failed" if event.error else event.status,
                "source": event.source,
                **_span(at - started, event.seconds),
            }
            if event.error:
                output = list(recorder.tails.get(event.step, ()))
                found[event.step] |= {"error": event.error, "output": output}
    return found


def _rest(events: Sequence[tuple[float, Event]], started: float) -> dict[str, list[dict[str, Any]]]:
    """Return what took time besides steps, and the tags that were pushed."""
    found: dict[str, list[dict[str, Any]]] = {
        "layers": [],
        "transfers": [],
        "phases": [],
        "published": [],
    }
    moving: dict[tuple[str, str], float] = {}
    for at, event in events:
        match event:
            case LayerFinished(step, target, digest, size, seconds):
                layer = {"step": step, "target": target, "digest": digest, "size": size}
                found["layers"].append(layer | _span(at - started, seconds))
            case PhaseFinished(name, seconds):
                found["phases"].append({"name": name} | _span(at - started, seconds))
            case Transfer(verb, what, size, finished=finished):
                begun = moving.setdefault((verb, what), at)
                if finished:
                    del moving[verb, what]
                    transfer = {"verb": verb, "what": what, "size": size}
                    found["transfers"].append(transfer | _span(at - started, at - begun))
            case Published(name, digest, moved):
                found["published"].append({"name": name, "digest": digest, "moved": moved})
            case _:
                pass
    return found


def _span(end: float, seconds: float) -> dict[str, float]:
    return {"begin": round(max(end - seconds, 0.0), 6), "seconds": round(seconds, 6)}
