"""A workspace with its targets, fully resolved: what everything below the build file works with.

Nothing here needs pydantic, so that a plan compiled earlier can be loaded without it.
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from mkbuild.frozen import frozen
from mkbuild.location import Location

Commit: TypeAlias = Literal["implicit", "explicit"]
Pull: TypeAlias = Literal["always", "hourly", "never"]
Network: TypeAlias = Literal["default", "none", "host"]
Compression: TypeAlias = Literal["gzip", "zstd", "none", "speed", "size"]
RemoteType: TypeAlias = Literal["redis", "http", "registry", "directory"]
RemoteMode: TypeAlias = Literal["read-write", "read-only", "write-only", "off"]


@frozen
class DirectoryContext:
    """A directory on this machine, by its absolute path."""

    path: str


@frozen
class GitContext:
    """A git repository: ``ref`` is empty for its default branch, ``subdirectory`` for its root."""

    url: str
    ref: str = ""
    subdirectory: str = ""


@frozen
class ImageContext:
    """An image in a registry (``docker-image://``)."""

    reference: str


@frozen
class LayoutContext:
    """An image in an OCI layout directory (``oci-layout://DIR[:TAG|@DIGEST]``)."""

    path: str
    tag: str = ""
    digest: str = ""


@frozen
class TargetContext:
    """Another target's image (``target:NAME``), as written: the graph finds its label."""

    name: str


ContextSource: TypeAlias = (
    DirectoryContext | GitContext | ImageContext | LayoutContext | TargetContext
)


@frozen
class Secret:
    """A secret: from an environment variable or a file (absolute), or by its id where neither."""

    id: str
    env: str | None = None
    src: str | None = None


@frozen
class Ssh:
    """An ssh agent socket or keys (absolute paths); without paths, the agent of SSH_AUTH_SOCK."""

    id: str = "default"
    paths: tuple[str, ...] = ()


OutputKind = Literal["oci", "docker", "tar", "local"]

STDOUT = "/dev/stdout"
"""What the destination ``-`` stands for."""


@frozen
class Output:
    """Where an image goes besides the local store; ``dest`` is absolute."""

    type: OutputKind
    dest: str
    tar: bool = True


@frozen
class Resources:
    """What a target's steps take: slots of ``-j``, and the limits of each RUN, 0 for none.

    ``makeflags``: RUN's make is told of the slots. ``cpus`` is a share of processors, ``memory``
    bytes, ``pids`` processes and threads.
    """

    weight: int = 1
    makeflags: bool = False
    cpus: float = 0
    memory: int = 0
    pids: int = 0


@frozen
class GitUse:
    """A git fact that went into a target's member, such as ``git.sha`` in ``labels.revision``."""

    key: str
    fact: str
    location: Location

    @property
    def member(self) -> str:
        """The target's member that the key is in."""
        return self.key.partition(".")[0].partition("[")[0]


@frozen
class Target:
    """One image that can be built.

    ``label`` is the name for targets of the workspace's root directory, else ``//dir:name``.
    ``dockerfile`` is absolute for a directory context, relative to the context for a git one, and
    unused where ``dockerfile_inline`` is set, the key of which stands at ``inline_at``. ``target``
    names the stage (None: the last).
    ``timestamps`` is an epoch in seconds where it is a number. Tags, labels and args may hold the
    placeholders that ``interpolate.resolve_inputs`` fills. An empty ``platforms`` means the host's.
    """

    label: str
    name: str
    location: Location
    context: DirectoryContext | GitContext
    dockerfile: str
    dockerfile_inline: str | None = None
    inline_at: Location | None = None
    target: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    contexts: Mapping[str, ContextSource] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    ssh: tuple[Ssh, ...] = ()
    platforms: tuple[str, ...] = ()
    commit: Commit = "implicit"
    timestamps: Literal["epoch", "preserve"] | int = "epoch"
    pull: Pull = "hourly"
    publish: bool = True
    depends_on: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: Resources = Resources()
    network: Network = "default"
    add_hosts: Mapping[str, str] = field(default_factory=dict)
    no_cache: bool = False
    no_cache_filter: tuple[str, ...] = ()
    compression: Compression = "gzip"
    outputs: tuple[Output, ...] = ()
    git_uses: tuple[GitUse, ...] = ()

    @property
    def file(self) -> str:
        """The build file that declares it."""
        return self.location.file

    @property
    def directory(self) -> str:
        """The label's directory: empty for the workspace's root."""
        return self.label[2 : -len(self.name) - 1] if self.label.startswith("//") else ""


@frozen
class Remote:
    """A shared cache: ``url`` holds the registry reference or the absolute directory as well.

    ``ttl`` in seconds, 0 for ever. ``scope`` is written and read, ``read_scopes`` are read after
    it. ``key_env`` and ``password_env`` name environment variables: with the key that entries are
    signed with, and with the password of Redis.
    """

    type: RemoteType
    url: str
    mode: RemoteMode = "read-write"
    ttl: int = 14 * 86400
    scope: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    key_env: str = ""
    read_scopes: tuple[str, ...] = ()
    password_env: str = ""


@frozen
class CacheSettings:
    """Limits of the local store (bytes, None: no limit; seconds) and the shared caches in order."""

    max_size: int | None = None
    ttl: int = 14 * 86400
    remotes: tuple[Remote, ...] = ()


@frozen
class RegistrySettings:
    """How a registry is reached; a mirror is a host, or ``oci-layout:`` and an absolute path.

    ``more`` holds what else was set, by key: ``cert key token_hosts concurrency timeout retries``.
    """

    mirrors: tuple[str, ...] = ()
    insecure: bool | None = None
    ca: str | None = None
    more: Mapping[str, object] = field(default_factory=dict)


@frozen
class GroupItem:
    """One selection in a group, where it stands, and the directory that its names are seen from."""

    text: str
    location: Location
    directory: str = ""


@frozen
class Group:
    """A named list of selections (names, globs, ``@group``, ``!exclude``), in order."""

    name: str
    items: tuple[GroupItem, ...]


@frozen
class Variable:
    """A variable: its value after overrides, None where nothing used it; its default as written."""

    name: str
    value: str | None
    default: str | None
    description: str
    location: Location


@frozen
class Evidence:
    """All that a workspace was made from, so that one loaded earlier can be known to be current.

    ``files``: build files read. ``globs``: (directory, pattern, paths found). ``environment`` and
    ``git``: what was asked for, with the answers.
    """

    files: tuple[str, ...] = ()
    globs: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    git: Mapping[str, str | None] = field(default_factory=dict)


@frozen
class Workspace:
    """Everything that the build files say. ``root`` is the workspace's absolute directory."""

    root: str
    targets: Mapping[str, Target] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    cache: CacheSettings = field(default_factory=CacheSettings)
    registries: Mapping[str, RegistrySettings] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    evidence: Evidence = field(default_factory=Evidence)
