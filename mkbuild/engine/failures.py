"""The step that failed last, from the records of runs, and what it is today."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkbuild.engine.invocation import Invocation
from mkbuild.engine.log import Log, Record
from mkbuild.frozen import frozen
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import Action, walk


@frozen
class Failure:
    """A failed step: the command line of its build, where it stands, what the record says of it.

    ``step`` is None for one that failed before anything could run, such as a COPY of a file that
    is not there.
    """

    arguments: tuple[str, ...]
    place: str
    text: str
    step: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        """Render as ``services/api/Dockerfile:7: RUN make``."""
        return f"{self.place}: {self.text.splitlines()[0]}"


@frozen
class Found:
    """A failed step as it is planned today; ``changed`` says what is not as it was, or nothing."""

    platform: Platform
    action: Action
    changed: str = ""


def last_failure(
    storage: str, directory: str, label: str = "", *, own: bool = False
) -> Failure | None:
    """Return what failed in the last build in a directory (of a target); None where nothing did.

    ``own``: of this process alone.
    """
    for run in Log(Path(storage)).runs():
        document = run.record.document
        if document["directory"] != directory:
            continue
        if label and label not in (*document["wanted"], *document["order"]):
            continue
        strange = own and not run.name.endswith(f"-{os.getpid()}")
        return None if run.again or strange else _first(run.record, label)
    return None


def _first(record: Record, label: str) -> Failure | None:
    document = record.document
    arguments = tuple(document["arguments"])
    labels = [label] if label else list(document["order"])
    failed = [step for name in labels for step in record.steps(name) if step["status"] == "failed"]
    if failed:
        first = min(failed, key=lambda step: step["begin"] + step["seconds"])
        return Failure(arguments, first["location"], first["instruction"], first)
    if document["place"] and not document["order"]:
        return Failure(arguments, document["place"], document["error"])
    return None


def find_again(invocation: Invocation, label: str, failure: Failure) -> Found | None:
    """Find a failed step in today's plan of its target: by its key, else by what it says."""
    assert failure.step is not None  # noqa: S101 -- the caller has seen to it
    images, resolution, _ = invocation.resolve((label,))
    actions = [
        (platform, node)
        for platform, (_, image) in zip(invocation.planning.platforms(label), images, strict=True)
        for node in walk((image.node,))
        if isinstance(node, Action) and node.target == label
    ]
    keys = resolution.by_node
    place, text, stage = failure.place, failure.text, failure.step["stage"]
    key = failure.step["key"]
    tests = (
        ("", lambda node: keys[node] == key),
        (
            "what it works on has changed since",
            lambda node: (str(node.location), node.text) == (place, text),
        ),
        (
            f"it has moved: it was at {place}",
            lambda node: (node.stage, node.text) == (stage, text) and _same_file(node, place),
        ),
        ("it has changed since", lambda node: str(node.location) == place),
    )
    for changed, test in tests:
        for platform, node in actions:
            if test(node):
                return Found(platform, node, changed)
    return None


def _same_file(node: Action, place: str) -> bool:
    return place.startswith(f"{node.location.file}:")
