"""Actions: the steps that can change a filesystem, fully expanded, as a graph of values.

A :class:`Base` is a state that comes from outside (an image's layers, or nothing at all); an
:class:`Action` turns its parent's state into another, and may read other states and contexts. Nodes
are compared by identity: which of them are the same work is what their keys tell (``keys``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from mkbuild.action import StateID
from mkbuild.dockerfile.mounts import Mount
from mkbuild.frozen import frozen
from mkbuild.location import Location
from mkbuild.oci.model import Platform

CONTEXT = "context"
"""Name of the main build context."""


@frozen
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


@frozen
class RunMount:
    """A mount of a RUN: ``target`` absolute, ``source`` None where the mount reads nothing."""

    mount: Mount
    target: str
    source: "Node | ContextInput | None" = None


@frozen
class RunBody:
    """RUN: ``env`` in order, ARGs included; ``proxy`` is seen by the command and by no key.

    ``args``: which names in ``env`` may be ARGs, to call them so where they change.
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
    args: frozenset[str] = field(default=frozenset(), compare=False)


@frozen
class CopyStep:
    """COPY, every word expanded.

    ``sources``: patterns, in order, heredocs not among them; ``heredocs``: (name, contents).
    ``workdir``: absolute; ``dest`` may be relative to it. ``context``: the tree is a directory of
    the user's (the context, or a named one), whose owners do not count, not the state of a stage
    or image. ``archive``: Makisu's flag, owners and modes of sources are kept.
    """

    location: Location
    sources: tuple[str, ...]
    dest: str
    workdir: str = "/"
    context: bool = True
    heredocs: tuple[tuple[str, bytes], ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()
    archive: bool = False


@frozen
class AddStep:
    """ADD, every word expanded; members as in :class:`CopyStep` and ``instructions.Add``."""

    location: Location
    sources: tuple[str, ...]
    dest: str
    workdir: str = "/"
    heredocs: tuple[tuple[str, bytes], ...] = ()
    chown: str | None = None
    chmod: str | None = None
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str | None = None
    keep_git_dir: bool = False
    unpack: bool | None = None


@frozen
class WorkdirStep:
    """WORKDIR: ``path`` is absolute (joined to the WORKDIR before), ``user`` is USER or empty."""

    location: Location
    path: str
    user: str = ""


FileStep: TypeAlias = CopyStep | AddStep | WorkdirStep


Body: TypeAlias = "RunBody | FileStep"


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """One step: what it does, on what, and where it is written.

    ``source`` is what a COPY or ADD reads from. ``commit``: a layer ends here, also where the stage
    becomes no image (so that other machines can go on from here); DESIGN section 6.
    """

    parent: "Node"
    body: Body
    source: "Node | ContextInput | None"
    platform: Platform
    target: str
    stage: str
    text: str
    location: Location
    no_cache: bool = False
    commit: bool = False


Node: TypeAlias = Base | Action


def layer_start(action: Action) -> Node:
    """Return where the layer begins that ends with a committed action."""
    node = action.parent
    while not (isinstance(node, Base) or node.commit):
        node = node.parent
    return node


def sources(action: Action) -> tuple["Node | ContextInput", ...]:
    """Everything an action reads besides its parent, in order."""
    found = [action.source]
    if isinstance(action.body, RunBody):
        found.extend(mount.source for mount in action.body.mounts)
    return tuple(source for source in found if source is not None)


def inputs(action: Action) -> tuple[Node, ...]:
    """Every state an action reads, its parent first, the others in their order."""
    others = (source for source in sources(action) if not isinstance(source, ContextInput))
    return (action.parent, *others)


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
