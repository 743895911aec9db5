"""Whether, and with what left alone, a build may take over ``/`` (``--sandbox modifyfs``)."""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mkbuild.buildfile.target import DirectoryContext, LayoutContext, Target
from mkbuild.engine.request import BuildRequest
from mkbuild.errors import SandboxError
from mkbuild.execute.takeover import Kept, Takeover
from mkbuild.sandbox import container
from mkbuild.sandbox.container import INTERNAL

_KERNEL = ("/proc", "/sys", "/dev")
_NETWORK = ("/etc/hosts", "/etc/resolv.conf")
_MOUNTED = ("/etc/hostname", "/etc/mtab")
_HINT = "see docs/modifyfs.md; in a throwaway container take the image mkbuild-static"


def take_over(
    request: BuildRequest,
    root: Path,
    targets: Mapping[str, Target],
    warn: Callable[[str], None],
) -> Takeover:
    """Prepare to take over ``/``: nothing is changed before the first RUN.

    Raises SandboxError where it was not allowed, where ``/`` looks like a machine's own, and where
    this tool would remove itself.
    """
    behaviour = request.behaviour
    if behaviour.modifyfs not in {"true", "force"}:
        raise SandboxError(
            "--sandbox modifyfs replaces all files of this machine, and needs --modifyfs as well",
            hint="only ever in a container that is thrown away afterwards; see docs/modifyfs.md",
        )
    if os.geteuid() != 0:
        raise SandboxError("modifyfs mode needs to be root in its container", hint=_HINT)
    signs = container.host_signs()
    if signs and behaviour.modifyfs != "force":
        raise SandboxError(
            f"/ looks like the root of a real machine: {'; '.join(signs)}",
            hint=f"nothing was changed; {_HINT}; --modifyfs=force does it in spite of that",
        )
    kept = _kept(request, root, targets)
    _check_own(kept)
    internal = Path(INTERNAL)
    internal.mkdir(mode=0o755, exist_ok=True)
    if internal.stat().st_dev != Path("/").stat().st_dev:
        raise SandboxError(
            f"{INTERNAL} is a mount: modifyfs mode needs it on the filesystem of /",
            hint="mount what it should hold below it instead",
        )
    return Takeover(
        Path("/"),
        kept,
        internal / "work",
        preserve=request.changes.preserve_root,
        mounts=container.mount_points,
        waiting=lambda: warn("waiting: another mkbuild, or a RUN that it started, works in /"),
    )


def _kept(request: BuildRequest, root: Path, targets: Mapping[str, Target]) -> Kept:
    mounts = container.mount_points()
    named = (path for path in request.changes.blacklist if not path.startswith("!"))
    blacklist = {"/" + os.path.normpath(path).lstrip("/") for path in named}
    shared = {*_KERNEL, *_NETWORK, *blacklist}
    shared |= {path for path in _MOUNTED if path in mounts}
    ours = {INTERNAL, request.storage, *_inputs(request, root, targets)}
    real = {os.path.realpath(path) for path in ours}
    if "/" in real:
        raise SandboxError(
            "modifyfs mode would replace what it builds from: / itself is a context",
            hint="mount the context into the container, as on /mkbuild-internal/context",
        )
    paths = {*shared, *mounts, *real}
    tops = {path for path in paths if not any(_is_below(path, other) for other in paths)}
    return Kept(_relative(tops), _relative(shared))


def _relative(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(path.lstrip("/") for path in paths)


def _is_below(path: str, other: str) -> bool:
    return path.startswith(f"{other.rstrip('/')}/")


def _inputs(request: BuildRequest, root: Path, targets: Mapping[str, Target]) -> Iterable[str]:
    """Files that a build reads, or writes in the end, wherever in the container they lie."""
    if str(root) != "/":
        yield str(root)
    for target in targets.values():
        for context in (target.context, *target.contexts.values()):
            if isinstance(context, DirectoryContext | LayoutContext):
                yield context.path
        if target.dockerfile.startswith("/"):
            yield target.dockerfile
        yield from (secret.src for secret in target.secrets if secret.src)
    publishing, sources = request.publishing, request.sources
    files = [publishing.metadata_file, publishing.iidfile, sources.registries]
    files += [output.dest for output in publishing.outputs]
    if sources.registry_config and not sources.registry_config.lstrip().startswith("{"):
        files.append(str(Path(request.directory) / sources.registry_config))
    yield from (path for path in files if path)


def _check_own(kept: Kept) -> None:
    lost = container.lost(kept.paths)
    if lost:
        raise SandboxError(
            f"modifyfs mode would remove mkbuild itself: {lost[0]} is replaced with the rest of /",
            hint=f"take the image mkbuild-static, which keeps itself in {INTERNAL}",
        )
