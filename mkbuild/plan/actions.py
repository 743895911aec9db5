"""Actions: the steps that can change a filesystem, fully expanded, as a graph of values.

A :class:`Base` is a state that comes from outside (an image's layers, or nothing at all); an
:class:`Action` turns its parent's state into another, and may read other states and contexts. Nodes
are compared by identity: which of them are the same work is what their keys tell (``keys``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mkbuild.action import StateID
from mkbuild.dockerfile.instructions import Heredoc
from mkbuild.dockerfile.mounts import Mount
from mkbuild.location import Location
from mkbuild.oci.model import Platform

CONTEXT = "context"
"""Name of the main build context."""


@dataclass(frozen=True, slots=True)
class ContextInput:
    """A directory of files: the main context (:data:`CONTEXT`) or a named one, of one target."""

    target: str
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A state from outside; ``name`` is how the user called it (``scratch`` for the empty one)."""

    state: StateID
    name: str
    platform: Platform


@dataclass(frozen=True, slots=True)
class RunMount:
    """A mount of a RUN: ``target`` absolute, ``source`` None where the mount reads nothing."""

    mount: Mount
    target: str
    source: "Node | ContextInput | None" = None


@dataclass(frozen=True, slots=True)
class RunBody:
    """RUN: ``env`` in order, ARGs included; ``proxy`` is seen by the command and by no key.

    ``script``: name and content of a heredoc with a shebang, found at ``/dev/pipes/<name>``.
    """

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    user: str
    mounts: tuple[RunMount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    script: tuple[str, str] | None = None
    proxy: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class CopyBody:
    """COPY: words expanded, ``dest`` absolute (a trailing slash is kept: it means a directory).

    ``heredocs`` are expanded; ``source`` is where ``sources`` are looked up.
    """

    sources: tuple[str, ...]
    dest: str
    source: "Node | ContextInput"
    heredocs: tuple[Heredoc, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    archive: bool = False


@dataclass(frozen=True, slots=True)
class AddBody:
    """ADD: as COPY; sources may be URLs or git references, local archives are unpacked."""

    sources: tuple[str, ...]
    dest: str
    source: "Node | ContextInput"
    heredocs: tuple[Heredoc, ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str | None = None
    keep_git_dir: bool = False
    unpack: bool | None = None


@dataclass(frozen=True, slots=True)
class WorkdirBody:
    """WORKDIR: makes an absolute path, owned by ``user`` (empty: root)."""

    path: str
    user: str


Body: TypeAlias = RunBody | CopyBody | AddBody | WorkdirBody


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One step: what it does, on what, and where it is written."""

    parent: "Node"
    body: Body
    platform: Platform
    target: str
    stage: str
    text: str
    location: Location
    no_cache: bool = False


Node: TypeAlias = Base | Action


def inputs(action: Action) -> tuple[Node, ...]:
    """Every state an action reads, its parent first, the others in their order."""
    body = action.body
    found: list[Node] = [action.parent]
    if isinstance(body, RunBody):
        sources = [mount.source for mount in body.mounts]
    elif isinstance(body, WorkdirBody):
        sources = []
    else:
        sources = [body.source]
    found.extend(source for source in sources if isinstance(source, Base | Action))
    return tuple(found)


def contexts(action: Action) -> tuple[ContextInput, ...]:
    """Every context an action reads."""
    body = action.body
    if isinstance(body, RunBody):
        sources = [mount.source for mount in body.mounts]
    elif isinstance(body, WorkdirBody):
        sources = []
    else:
        sources = [body.source]
    return tuple(source for source in sources if isinstance(source, ContextInput))


def walk(ends: "Mapping[str, Node] | tuple[Node, ...]") -> tuple[Node, ...]:
    """Every node that some nodes need, each once, inputs before what reads them."""
    roots = tuple(ends.values()) if isinstance(ends, Mapping) else ends
    done: dict[Node, None] = {}
    stack: list[tuple[Node, bool]] = [(root, False) for root in reversed(roots)]
    while stack:
        node, expanded = stack.pop()
        if node in done:
            continue
        if expanded or isinstance(node, Base):
            done[node] = None
            continue
        stack.append((node, True))
        stack.extend((parent, False) for parent in reversed(inputs(node)))
    return tuple(done)
