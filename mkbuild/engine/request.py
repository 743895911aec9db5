"""What one invocation of ``build`` (or of a relative: plan, why, verify, watch) was asked for."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from mkbuild.buildfile.target import (
    Commit,
    ContextSource,
    Network,
    Output,
    Secret,
    Ssh,
)
from mkbuild.frozen import frozen

ModifyfsChoice: TypeAlias = Literal["false", "true", "force"]
SandboxMode: TypeAlias = Literal["auto", "namespace", "chroot", "modifyfs"]
CompressionChoice: TypeAlias = Literal["gzip", "zstd", "none", "speed", "size"]


@frozen
class WorkspaceInput:
    """Targets of a workspace.

    ``file`` is the absolute root build file, None to search for it; ``overrides`` is ``--set``.
    """

    selection: tuple[str, ...]
    file: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    since: str | None = None


@frozen
class DockerfileInput:
    """A lone Dockerfile: ``context`` is an absolute directory, or a git URL (checked).

    ``dockerfile`` is absolute (relative to the root of a git context), None for ``Dockerfile`` in
    the context, ``-`` where ``text`` holds it, read from standard input.
    """

    context: str
    dockerfile: str | None = None
    text: str | None = None
    tags: tuple[str, ...] = ()
    target: str | None = None
    contexts: Mapping[str, ContextSource] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[Ssh, ...] = ()
    add_hosts: Mapping[str, str] = field(default_factory=dict)
    replicas: tuple[str, ...] = ()


@frozen
class Changes:
    """What flags change in every selected target; None and empty leave it as it is declared."""

    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platforms: tuple[str, ...] = ()
    commit: Commit | None = None
    compression: CompressionChoice | None = None
    timestamps: Literal["epoch", "preserve"] | int | None = None
    network: Network | None = None
    blacklist: tuple[str, ...] = ()
    preserve_root: bool = False


@frozen
class Publishing:
    """Where results go besides the local store.

    ``push``: tags with a registry are pushed. ``registries``: Makisu's ``--push=REGISTRY``, which
    takes the place of each tag's own. ``replicas``: names that are pushed as they are. ``trace``,
    ``junit``: files that say how the run went, however it ended.
    """

    push: bool = False
    registries: tuple[str, ...] = ()
    replicas: tuple[str, ...] = ()
    load: bool = False
    docker_host: str | None = None
    outputs: tuple[Output, ...] = ()
    metadata_file: str | None = None
    iidfile: str | None = None
    trace: str | None = None
    junit: str | None = None


@frozen
class CacheFlags:
    """Caches named on the command line; ttl in seconds, None for what the build file says."""

    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    always: bool = False
    local_ttl: int | None = None
    redis_addr: str | None = None
    redis_password: str | None = field(default=None, repr=False)
    redis_ttl: int | None = None
    http_addr: str | None = None
    http_headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@frozen
class Sources:
    """How bases and other remote inputs are had.

    ``pull``: tags are resolved anew. ``locked``: None means: under CI, where there is a lock.
    ``registries``: a YAML file of registry settings. ``registry_config``: Makisu's, a path or JSON.
    """

    pull: bool = False
    offline: bool = False
    locked: bool | None = None
    registries: str | None = None
    registry_config: str | None = None


@frozen
class Behaviour:
    """How the build runs. ``jobs``: slots. ``question``: only tell whether all is up to date.

    ``against``: the run or git ref that reasons compare with, None for the last builds.
    """

    jobs: int = 1
    keep_going: bool = False
    dry_run: bool = False
    question: bool = False
    expect_cached: bool = False
    explain: bool = False
    against: str | None = None
    interactive: bool = False
    plan: str | None = None
    sandbox: SandboxMode = "auto"
    modifyfs: ModifyfsChoice = "false"
    allow: tuple[str, ...] = ()


@frozen
class BuildRequest:
    """One invocation. All paths are absolute; ``storage`` holds store, cache and snapshots."""

    directory: str
    storage: str
    input: WorkspaceInput | DockerfileInput
    changes: Changes = field(default_factory=Changes)
    publishing: Publishing = field(default_factory=Publishing)
    caches: CacheFlags = field(default_factory=CacheFlags)
    sources: Sources = field(default_factory=Sources)
    behaviour: Behaviour = field(default_factory=Behaviour)
