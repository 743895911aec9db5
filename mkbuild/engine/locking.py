"""``mkbuild lock``: writes BUILD.lock, or says how it differs from what the build files need."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeVar

from mkbuild.engine.invocation import Invocation
from mkbuild.engine.lock import LOCK_FILE, Lock, Pins, read
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import open_workspace
from mkbuild.engine.writing import write_text
from mkbuild.errors import DriftError, UsageError
from mkbuild.events import Reporter
from mkbuild.oci import reference as references
from mkbuild.plan.actions import walk

_T = TypeVar("_T")


def update(request: BuildRequest, reporter: Reporter, names: Sequence[str]) -> tuple[Path, Lock]:
    """Write the lock: pins stay, but for those of ``names`` (patterns); what nobody needs goes.

    Returns the file and what it holds. Raises UsageError where a name is pinned nowhere.
    """
    path, before = _locate(request)
    kept = _without(before, names) if names else before
    found = _found(request, reporter, kept)
    text = found.render()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    return path, found


def check(request: BuildRequest, reporter: Reporter) -> Path:
    """Compare the lock with what the build files need; raises DriftError that lists it all."""
    path, before = _locate(request)
    found = _found(request, reporter, before)
    lines = _differences(before, found)
    if lines:
        raise DriftError(
            f"{LOCK_FILE} does not fit the build files:\n" + "\n".join(lines),
            hint="mkbuild lock brings it up to date",
        )
    return path


def _locate(request: BuildRequest) -> tuple[Path, Lock]:
    path = Path(open_workspace(request).workspace.root) / LOCK_FILE
    return path, read(path) or Lock()


def _found(request: BuildRequest, reporter: Reporter, lock: Lock) -> Lock:
    """Plan every target of the workspace, and return what that rests on."""
    selected = open_workspace(request)
    pins = Pins(lock)
    try:
        with Session(Path(request.storage), reporter, selected.workspace.cache) as session:
            invocation = Invocation(session, request, selected, pins)
            try:
                planning = invocation.planning
                planning.graph(tuple(invocation.targets))
                images = [
                    planning.plan(label, platform)
                    for label in invocation.targets
                    for platform in planning.platforms(label)
                ]
                invocation.read_remotes(walk(tuple(image.node for image in images)))
            finally:
                invocation.close()
    finally:
        reporter.close()
    return pins.seen()


def _without(lock: Lock, names: Sequence[str]) -> Lock:
    """Leave out the pins that some names or patterns mean."""
    known = [*lock.images, *lock.urls, *lock.git]
    for name in names:
        if not any(_means(name, pinned) for pinned in known):
            raise UsageError(
                f"--update {name}: nothing of that name is in {LOCK_FILE}",
                hint="it holds: " + ", ".join(map(_familiar, known[:10])),
            )

    def kept(pins: Mapping[str, _T]) -> dict[str, _T]:
        return {key: pin for key, pin in pins.items() if not any(_means(n, key) for n in names)}

    return replace(lock, images=kept(lock.images), urls=kept(lock.urls), git=kept(lock.git))


def _means(name: str, pinned: str) -> bool:
    """Whether a name, with or without its tag or ref, or a pattern means something pinned."""
    short = _familiar(pinned)
    repository = short.rpartition(":")[0] if "://" not in short else short.partition("#")[0]
    return any(fnmatchcase(text, name) for text in (pinned, short, repository))


def _familiar(pinned: str) -> str:
    return pinned if "://" in pinned or "#" in pinned else references.parse(pinned).familiar()


def _differences(before: Lock, after: Lock) -> list[str]:
    parts: tuple[Callable[[Lock], Mapping[str, object]], ...] = (
        lambda lock: {
            f"{_familiar(name)} for {platform}": pin
            for name, pins in lock.images.items()
            for platform, pin in pins.items()
        },
        lambda lock: lock.urls,
        lambda lock: lock.git,
    )
    lines: list[str] = []
    for part in parts:
        old, new = part(before), part(after)
        lines += [f"  {name} is needed, and not pinned" for name in new if name not in old]
        lines += [f"  {name} is pinned, and needed no more" for name in old if name not in new]
    return lines
