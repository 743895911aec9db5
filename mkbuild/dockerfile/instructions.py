"""Instructions of a Dockerfile as immutable values, words not yet expanded (Dockerfile reference).

A :class:`Statement` is one instruction with its place; its ``body`` is one of the instruction
classes. Which members are expanded, and when, is the plan's business.
"""

from dataclasses import field
from typing import TypeAlias

from mkbuild.frozen import frozen
from mkbuild.location import Location


@frozen
class Heredoc:
    """A here-document: ``name`` is its delimiter, ``content`` is chomped already where asked."""

    name: str
    content: str
    expand: bool
    chomp: bool = False
    fd: int = 0


@frozen
class Command:
    """A command line: JSON (exec) form in ``argv``, or shell form as one string in ``shell``.

    Exactly one is set. Shell form keeps its heredocs: the shell reads them itself, except when the
    whole command is a single heredoc, whose content is then a script.
    """

    argv: tuple[str, ...] | None = None
    shell: str | None = None
    heredocs: tuple[Heredoc, ...] = ()


@frozen
class From:
    """FROM: ``base`` is an image, stage or named context; global ARGs are not yet expanded."""

    base: str
    alias: str | None = None
    platform: str | None = None


@frozen
class Arg:
    """ARG: names with their defaults, None where there is none."""

    pairs: tuple[tuple[str, str | None], ...]


@frozen
class Env:
    """ENV: names and unexpanded values; none of them sees another of the same line.

    ``legacy`` tells the form ``ENV name value``.
    """

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = field(default=False, compare=False)


@frozen
class Label:
    """LABEL: unexpanded keys and values; ``legacy`` as in ENV."""

    pairs: tuple[tuple[str, str], ...]
    legacy: bool = field(default=False, compare=False)


@frozen
class Run:
    """RUN; ``mounts`` are the raw values of --mount, read by ``mounts.parse`` after expansion.

    ``devices`` are the raw values of --device.
    """

    command: Command
    mounts: tuple[str, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    devices: tuple[str, ...] = ()


@frozen
class Copy:
    """COPY; ``heredocs`` are sources written inline, in the order in which they stand.

    ``archive`` is Makisu's flag: sources keep owner and mode, also of directories it creates.
    """

    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str | None = None
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    archive: bool = False


@frozen
class Add:
    """ADD; ``unpack`` is None where not said (local archives are then unpacked, URLs are not)."""

    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str | None = None
    keep_git_dir: bool = False
    unpack: bool | None = None


@frozen
class Workdir:
    """WORKDIR."""

    path: str


@frozen
class User:
    """USER."""

    user: str


@frozen
class Volume:
    """VOLUME."""

    paths: tuple[str, ...]


@frozen
class Expose:
    """EXPOSE."""

    ports: tuple[str, ...]


@frozen
class Cmd:
    """CMD."""

    command: Command


@frozen
class Entrypoint:
    """ENTRYPOINT."""

    command: Command


@frozen
class HealthcheckNone:
    """HEALTHCHECK NONE."""


@frozen
class HealthcheckCmd:
    """HEALTHCHECK CMD; times in nanoseconds, 0 where not said."""

    command: Command
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@frozen
class Stopsignal:
    """STOPSIGNAL."""

    signal: str


@frozen
class Shell:
    """SHELL."""

    argv: tuple[str, ...]


@frozen
class Onbuild:
    """ONBUILD: the trigger's text, as it goes into the image config."""

    trigger: str


@frozen
class Maintainer:
    """MAINTAINER (deprecated)."""

    name: str


Body: TypeAlias = (
    From
    | Arg
    | Env
    | Label
    | Run
    | Copy
    | Add
    | Workdir
    | User
    | Volume
    | Expose
    | Cmd
    | Entrypoint
    | HealthcheckNone
    | HealthcheckCmd
    | Stopsignal
    | Shell
    | Onbuild
    | Maintainer
)


@frozen
class Statement:
    """One instruction: its place, its text as written (continuations joined), Makisu's #!COMMIT.

    ``keyword`` is spelled as written; ``comments`` are the lines of comment right above.
    """

    location: Location
    source: str
    body: Body
    commit: bool = False
    keyword: str = field(default="", compare=False)
    comments: tuple[str, ...] = field(default=(), compare=False)


@frozen
class Stage:
    """A stage: its FROM and what follows; ``name`` is the alias in lower case, or None."""

    index: int
    start: Statement
    name: str | None
    statements: tuple[Statement, ...]

    @property
    def base(self) -> From:
        """The FROM instruction."""
        body = self.start.body
        assert isinstance(body, From)  # noqa: S101 -- by construction
        return body


@frozen
class Dockerfile:
    """A parsed Dockerfile: directives, ARGs before the first FROM, stages.

    ``check`` configures build checks; ``gaps`` are the last lines of instructions in whose
    continuation a blank line stands, and ``warnings`` say so.
    """

    name: str
    stages: tuple[Stage, ...]
    args: tuple[Statement, ...] = ()
    syntax: str = ""
    escape: str = "\\"
    check: str = ""
    warnings: tuple[str, ...] = field(default=())
    gaps: tuple[int, ...] = field(default=())
