"""What a build rested on, asked of its parts once it is over, however it ended."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from mkbuild.buildfile.target import DirectoryContext, Target, Workspace
from mkbuild.engine.contexts import Contexts, ignore_file, ignore_files
from mkbuild.engine.files import DiskFiles
from mkbuild.engine.inputs import Inputs, Pattern, Watched
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.request import BuildRequest
from mkbuild.errors import MkbuildError
from mkbuild.execute import match, remote
from mkbuild.plan.actions import (
    CONTEXT,
    Action,
    AddStep,
    ContextInput,
    CopyStep,
    RunBody,
    sources,
    walk,
)

_ALL: frozenset[Pattern] = frozenset({()})

Read = dict[ContextInput, frozenset[Pattern]]


def gather(
    request: BuildRequest, files: DiskFiles, workspace: Workspace | None, built: Invocation | None
) -> Inputs:
    """Return the inputs of a build: those of its plan, else all that may be some.

    ``files``: was asked for build files. ``workspace``: None where these could not be loaded.
    """
    if workspace is None:
        return Inputs(frozenset(files.looked), frozenset(files.globs), own=_own(request))
    actions = _actions(built) if built is not None else []
    labels = {label for label, _ in built.planned} if built is not None else set()
    labels |= {action.target for action in actions}
    targets = [workspace.targets[label] for label in labels] or list(workspace.targets.values())
    read = _read(actions, built.contexts) if built is not None and labels else _whole(targets)
    # a build file that comes to be above the workspace is no business of a watch
    root = f"{workspace.root}/"
    paths = {path for path, there in files.looked.items() if there or path.startswith(root)}
    paths.add(f"{root}BUILD.lock")
    for target in targets:
        paths.update(_files(target))
    return Inputs(
        frozenset(paths | set(map(os.path.realpath, paths))),
        frozenset(files.globs),
        frozenset(_contexts(read, workspace)),
        _own(request) | {os.path.realpath(out.dest) for t in targets for out in t.outputs},
    )


def _own(request: BuildRequest) -> frozenset[str]:
    """Return what a build writes wherever it was told to."""
    publishing = request.publishing
    files = (publishing.metadata_file, publishing.iidfile, publishing.trace, publishing.junit)
    outputs = (output.dest for output in publishing.outputs)
    return frozenset(map(os.path.realpath, filter(None, (request.storage, *outputs, *files))))


def _actions(built: Invocation) -> list[Action]:
    nodes = walk(tuple(image.node for _, image in built.planned))
    return [node for node in nodes if isinstance(node, Action)]


def _whole(targets: Iterable[Target]) -> Read:
    return {ContextInput(t.label, name): _ALL for t in targets for name in (CONTEXT, *t.contexts)}


def _read(actions: Iterable[Action], contexts: Contexts) -> Read:
    """Return what steps read of each context, as patterns; links on the way are followed, too."""
    found: dict[ContextInput, set[Pattern]] = {}
    for action in actions:
        for source, text in _selections(action):
            prefix, rest = match.split("/".join(_parts(text)))
            patterns = found.setdefault(source, set())
            patterns.add((*_parts(prefix), *rest))
            with suppress(MkbuildError):  # the build has told already what is wrong there
                real = contexts.get(source).tree.index.resolve(prefix)
                patterns.add((*_parts(real), *rest))
    return {source: frozenset(patterns) for source, patterns in found.items()}


def _selections(action: Action) -> Iterator[tuple[ContextInput, str]]:
    """Give what an action reads of contexts: paths and patterns."""
    match action.body:
        case RunBody(mounts=mounts):
            for mount in mounts:
                if isinstance(mount.source, ContextInput):
                    yield mount.source, mount.mount.source or "/"
        case CopyStep(sources=texts) | AddStep(sources=texts):
            for source in sources(action):
                if isinstance(source, ContextInput):
                    yield from ((source, text) for text in texts if not remote.is_remote(text))
        case _:
            pass


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    for part in text.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return parts


def _contexts(read: Read, workspace: Workspace) -> Iterator[Watched]:
    for source, patterns in read.items():
        target = workspace.targets[source.target]
        context = target.context if source.name == CONTEXT else target.contexts[source.name]
        if isinstance(context, DirectoryContext):
            main = source.name == CONTEXT and target.dockerfile_inline is None
            with suppress(MkbuildError):
                found = ignore_file(Path(context.path), target.dockerfile if main else None)
                text = found[1] if found else ""
                yield Watched(os.path.realpath(context.path), text, patterns)


def _files(target: Target) -> Iterator[str]:
    """Give the files beside its contexts that a target is made from."""
    inline = target.dockerfile_inline is not None
    if isinstance(target.context, DirectoryContext):
        if not inline:
            yield target.dockerfile
        own_file = None if inline else target.dockerfile
        yield from map(str, ignore_files(Path(target.context.path), own_file))
    for context in target.contexts.values():
        if isinstance(context, DirectoryContext):
            yield from map(str, ignore_files(Path(context.path), None))
