"""One side of a comparison, out of a resolution or of a record (see mkbuild.plan.sides)."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from mkbuild.buildfile.target import Target
from mkbuild.digest import Canonical
from mkbuild.engine.resolution import Resolution, Work
from mkbuild.frozen import frozen
from mkbuild.plan.actions import Base, ContextInput, RunBody, sources
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.sides import BaseImage, Image, Side, Step


@frozen
class Surroundings:
    """What a side is told of besides steps.

    ``digest``: of a base's manifest, empty where nobody knows. ``created``: when an image of a
    target says that it was made. ``origin``: a context as the user sees it, empty where he stands
    in it.
    """

    target: Callable[[str], Target]
    digest: Callable[[Base], str]
    created: Callable[[str, PlannedImage], int | None]
    origin: Callable[[ContextInput], str]


def side_of(
    images: Iterable[tuple[str, PlannedImage]], resolution: Resolution, around: Surroundings
) -> Side:
    """Describe planned images whose keys are known."""
    steps: dict[str, Step] = {}
    bases: dict[str, BaseImage] = {}
    made: dict[str, dict[str, Image]] = {}
    for label, image in images:
        made.setdefault(label, {})[str(image.config.platform)] = Image(
            resolution.by_node[image.node],
            image.base.state,
            _settings(image, around.target(label), around),
        )
    for node, key in resolution.by_node.items():
        if isinstance(node, Base):
            bases.setdefault(key, BaseImage(node.name, around.digest(node)))
        elif key not in steps:
            steps[key] = _step(resolution.work(node), around.origin)
    return Side(steps, bases, made)


def _step(work: Work, origin: Callable[[ContextInput], str]) -> Step:
    action = work.action
    found = sources(action) if isinstance(action.body, RunBody) else (action.source,)
    return Step(
        key=work.key,
        target=action.target,
        stage=action.stage,
        instruction=action.text,
        location=str(action.location),
        components={name: plain(value) for name, value in work.components.values.items()},
        args=action.body.args if isinstance(action.body, RunBody) else frozenset(),
        origins=tuple(origin(s) if isinstance(s, ContextInput) else "" for s in found),
    )


def _settings(image: PlannedImage, target: Target, around: Surroundings) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(image.config.to_json())
    for name in ("created", "rootfs", "history"):
        document.pop(name, None)
    history = [line.created_by for line in image.config.history]
    return {
        **document.pop("config"),
        **document,
        "base": around.digest(image.base),
        "compression": target.compression,
        "created": around.created(target.label, image),
        "history": history + [line.created_by for line in image.history],
        "layers": [link.cut for link in image.chain],
        "outputs": [f"type={o.type},dest={o.dest},tar={o.tar}" for o in target.outputs],
        "publish": target.publish,
        "tags": list(target.tags),
    }


def document_of(side: Side) -> dict[str, Any]:
    """Return what a record holds of a side besides its steps' components: JSON values."""
    return {
        "bases": {
            state: {"name": base.name, "digest": base.digest} for state, base in side.bases.items()
        },
        "images": {
            label: {
                platform: {"end": image.end, "base": image.base, "settings": image.settings}
                for platform, image in images.items()
            }
            for label, images in side.images.items()
        },
    }


def read_side(document: Mapping[str, Any]) -> Side:
    """Return the side that a record tells of."""
    return Side(
        {
            key: Step(
                key=key,
                target=step["target"],
                stage=step["stage"],
                instruction=step["instruction"],
                location=step["location"],
                components=step["components"],
                args=frozenset(step["args"]),
                origins=tuple(step["origins"]),
            )
            for key, step in document["steps"].items()
        },
        {
            state: BaseImage(base["name"], base["digest"])
            for state, base in document["bases"].items()
        },
        {
            label: {
                platform: Image(image["end"], image["base"], image["settings"])
                for platform, image in images.items()
            }
            for label, images in document["images"].items()
        },
    )


def plain(value: Canonical) -> Any:  # noqa: ANN401 -- any JSON
    """Return a key's component as JSON can hold it; bytes become text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
