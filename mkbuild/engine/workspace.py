"""What is to be built: targets of a workspace, or a lone Dockerfile that becomes one."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mkbuild.buildfile.files import Files
from mkbuild.buildfile.target import (
    CacheSettings,
    DirectoryContext,
    GitContext,
    Target,
    Workspace,
)
from mkbuild.engine.files import DiskFiles, Git
from mkbuild.engine.request import BuildRequest, Changes, DockerfileInput, WorkspaceInput
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen
from mkbuild.location import Location

BUILD_FILE = "BUILD.yaml"


@frozen
class Selected:
    """A workspace, and what of it is wanted, as the user said it."""

    workspace: Workspace
    selection: tuple[str, ...]


def find_root(directory: Path, files: Files | None = None) -> Path:
    """Return the root build file for a directory: the nearest one above, or the one including it.

    Raises UsageError where there is none.
    """
    files = files or DiskFiles()
    found: Path | None = None
    for place in (directory, *directory.parents):
        candidate = place / BUILD_FILE
        if (
            files.exists(str(candidate))
            and candidate.is_file()
            and (found is None or _includes(candidate, found, files))
        ):
            found = candidate
    if found is None:
        raise UsageError(
            f"there is no {BUILD_FILE} in {directory} or above it",
            hint="mkbuild init writes one, -f names one; a lone Dockerfile needs none: "
            "mkbuild build ./DIR",
        )
    return found


def _includes(outer: Path, inner: Path, files: Files) -> bool:
    from mkbuild.buildfile.include import Gatherer
    from mkbuild.buildfile.problems import Problems

    sources = Gatherer(files, str(outer), Problems()).gather()
    return any(source.file == str(inner) for source in sources)


def open_workspace(request: BuildRequest, files: Files | None = None) -> Selected:
    """Load what a request is about; raises UserErrors."""
    given = request.input
    if isinstance(given, DockerfileInput):
        target = _changed(lone_target(given), request)
        cache = _limited(CacheSettings(), request)
        workspace = Workspace(request.directory, {target.label: target}, cache=cache)
        return Selected(workspace, (target.label,))
    workspace = load_workspace(given, Path(request.directory), files)
    targets = {label: _changed(target, request) for label, target in workspace.targets.items()}
    cache = _limited(workspace.cache, request)
    return Selected(replace(workspace, targets=targets, cache=cache), given.selection)


def _limited(cache: CacheSettings, request: BuildRequest) -> CacheSettings:
    """Apply what flags say of the local store."""
    ttl = request.caches.local_ttl
    return cache if ttl is None else replace(cache, ttl=ttl)


def load_workspace(
    wanted: WorkspaceInput, directory: Path, files: Files | None = None
) -> Workspace:
    """Load the build files; raises UserError with everything that is wrong in them."""
    from mkbuild.buildfile.load import load

    files = files or DiskFiles()
    root = Path(wanted.file) if wanted.file else find_root(directory, files)
    return load(
        str(root),
        files,
        env=os.environ,
        git=Git(root.parent),
        variables=wanted.variables,
        profiles=wanted.profiles,
        overrides=wanted.overrides,
    )


def lone_target(given: DockerfileInput) -> Target:
    """Make a target of a lone Dockerfile."""
    context: DirectoryContext | GitContext
    if given.context.startswith("/"):
        context = DirectoryContext(given.context)
        dockerfile = given.dockerfile or f"{given.context}/Dockerfile"
    else:
        context = git_context(given.context)
        dockerfile = given.dockerfile or "Dockerfile"
    name = os.path.basename(given.context.rstrip("/")) or "image"  # noqa: PTH119 -- may be a URL
    return Target(
        label=name,
        name=name,
        location=Location(dockerfile if given.text is None else "stdin"),
        context=context,
        dockerfile=dockerfile,
        dockerfile_inline=given.text,
        target=given.target,
        contexts=given.contexts,
        tags=(*given.tags, *given.replicas),
        secrets=given.secrets,
        ssh=given.ssh,
        add_hosts=given.add_hosts,
    )


def git_context(url: str) -> GitContext:
    """Read ``URL#ref:subdirectory``."""
    remote, _, fragment = url.partition("#")
    ref, _, subdirectory = fragment.partition(":")
    return GitContext(remote, ref, subdirectory)


def _changed(target: Target, request: BuildRequest) -> Target:
    """Apply what flags say of every target."""
    changes: Changes = request.changes
    caches = request.caches
    args: Mapping[str, str] = {**target.args, **changes.args}
    updated = replace(
        target,
        args=args,
        labels={**target.labels, **changes.labels},
        platforms=changes.platforms or target.platforms,
        commit=changes.commit or target.commit,
        network=changes.network or target.network,
        no_cache=target.no_cache or caches.no_cache,
        no_cache_filter=(*target.no_cache_filter, *caches.no_cache_filter),
    )
    if changes.timestamps is not None:
        updated = replace(updated, timestamps=changes.timestamps)
    if changes.compression is not None:
        updated = replace(updated, compression=changes.compression)
    if request.sources.pull:
        updated = replace(updated, pull="always")
    return updated
