"""What a build would do: each step hit or missed, before anything runs.

``plan --json`` is stable, and what ``build --plan FILE`` holds a build to.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mkbuild.action import ActionKey, LayerRecord, StatePair
from mkbuild.cache.tiered import TieredCache
from mkbuild.engine.resolution import Resolution, Work
from mkbuild.errors import DriftError, UsageError
from mkbuild.events import Status
from mkbuild.frozen import frozen
from mkbuild.plan.actions import Action, Node, walk
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import layer_pair

VERSION = 1


@frozen
class PreviewedStep:
    """One step: ``bytes`` of the layer that ends with it, ``seconds`` that it took when it ran.

    Both are 0 where nobody knows. ``target`` and ``stage`` are where the step is written. ``why``:
    of one that is missed, what changed.
    """

    target: str
    stage: str
    instruction: str
    location: str
    key: str
    status: Status
    bytes: int
    seconds: float
    why: str = ""


@frozen
class Preview:
    """The steps that each selected target needs, in order."""

    targets: Mapping[str, tuple[PreviewedStep, ...]]

    def steps(self) -> tuple[PreviewedStep, ...]:
        """Return every step once."""
        found = {step.key: step for steps in self.targets.values() for step in steps}
        return tuple(found.values())

    def misses(self) -> tuple[PreviewedStep, ...]:
        """Return the steps that would run, as far as can be known before they do."""
        return tuple(step for step in self.steps() if step.status == "miss")

    def document(self) -> dict[str, Any]:
        """Return the preview as JSON objects."""
        return {
            "version": VERSION,
            "targets": {
                label: [
                    {
                        "target": step.target,
                        "stage": step.stage,
                        "instruction": step.instruction,
                        "location": step.location,
                        "key": step.key,
                        "status": step.status,
                        "bytes": step.bytes,
                        "seconds": round(step.seconds, 3),
                        "why": step.why,
                    }
                    for step in steps
                ]
                for label, steps in self.targets.items()
            },
        }


def preview(
    images: Sequence[tuple[str, PlannedImage]],
    resolution: Resolution,
    cache: TieredCache,
    why: Mapping[ActionKey, str],
    compression: Mapping[str, str],
) -> Preview:
    """Say what would become of images (with their labels, once a platform).

    ``why``: of each step that is missed (see mkbuild.engine.reasons). ``compression``: of each
    target's layers.
    """
    sizes = _layer_sizes(images, resolution, cache, compression)
    targets: dict[str, dict[str, PreviewedStep]] = {}
    for label, image in images:
        steps = targets.setdefault(label, {})
        for node in walk((image.node,)):
            if isinstance(node, Action):
                step = _step(resolution.work(node), cache, sizes, why)
                steps[step.key] = step
    return Preview({label: tuple(steps.values()) for label, steps in targets.items()})


def _step(
    work: Work, cache: TieredCache, sizes: Mapping[str, int], why: Mapping[ActionKey, str]
) -> PreviewedStep:
    action, result = work.action, work.result
    status: Status = "miss"
    if result is not None:
        keys = [key for key in (work.key, work.content_key) if key is not None]
        status = "hit-remote" if any(map(cache.came_from, keys)) else "hit-local"
    return PreviewedStep(
        target=action.target,
        stage=action.stage,
        instruction=action.text,
        location=str(action.location),
        key=work.key,
        status=status,
        bytes=sizes.get(work.key, 0),
        seconds=result.seconds if result is not None else 0.0,
        why="" if result is not None else why.get(work.key, ""),
    )


def _layer_sizes(
    images: Sequence[tuple[str, PlannedImage]],
    resolution: Resolution,
    cache: TieredCache,
    compression: Mapping[str, str],
) -> dict[str, int]:
    """Return the size of each known layer, by the key of the step that it ends with."""
    wanted: dict[StatePair, str] = {}
    for label, image in images:
        before: Node = image.base
        for link in image.chain:
            if not link.cut:
                continue
            try:
                states = resolution.state(before), resolution.state(link.action)
            except KeyError:
                break
            pair = layer_pair(*states, compression[label])
            wanted[pair] = ActionKey(resolution.by_node[link.action])
            before = link.action
    found: Mapping[StatePair, LayerRecord] = cache.get_layers(list(wanted))
    return {wanted[pair]: record.size for pair, record in found.items()}


def _agreed_steps(agreed: Mapping[str, Any]) -> dict[str, Mapping[str, str]]:
    """Return what a plan says of each step, by its key; raises UsageError where it is none."""
    try:
        found: dict[str, Mapping[str, str]] = {
            step["key"]: {name: step[name] for name in ("location", "instruction", "status")}
            for steps in agreed["targets"].values()
            for step in steps
        }
    except (KeyError, TypeError, AttributeError) as error:
        message = f"this is no plan: {type(error).__name__}: {error}"
        raise UsageError(message, hint="mkbuild plan --json writes one") from error
    if not all(isinstance(text, str) for step in found.values() for text in step.values()):
        raise UsageError(
            "this is no plan: a step is no text", hint="mkbuild plan --json writes one"
        )
    return found


def check_drift(agreed: Mapping[str, Any], now: Preview) -> None:
    """Hold a build to a plan that was made before; raises DriftError, naming what differs."""
    if agreed.get("version") != VERSION:
        message = f"the plan is of version {agreed.get('version')}, this mkbuild reads {VERSION}"
        raise DriftError(message, hint="make it anew: mkbuild plan --json")
    before = _agreed_steps(agreed)
    after = {step.key: step for step in now.steps()}
    lines = [
        f"  {step.location}: {step.instruction.splitlines()[0]} is not in the plan"
        for key, step in after.items()
        if key not in before
    ]
    lines += [
        f"  {step['location']}: {step['instruction'].splitlines()[0]} is planned no more"
        for key, step in before.items()
        if key not in after
    ]
    lines += [
        f"  {step.location}: {step.instruction.splitlines()[0]} would run, and was a hit"
        for key, step in after.items()
        if key in before and step.status == "miss" and before[key]["status"] != "miss"
    ]
    if lines:
        message = "the build would not do what the plan says:\n" + "\n".join(lines)
        raise DriftError(message, hint="make the plan anew, or undo what changed since")
