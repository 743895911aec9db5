"""COPY, ADD and WORKDIR: functions from states and sources to diffs, without any root filesystem.

The engine's way through this package: :func:`remote_sources` names what has to be fetched, and
:func:`fetch` makes a source tree of each; :func:`key_part` digests all that the step reads; and,
where no cache knows the answer, :func:`perform` gives the diff.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import assert_never

from mkbuild import digest as digests
from mkbuild.context.scan import ContextTree
from mkbuild.digest import Digest
from mkbuild.errors import MkbuildError, StepError
from mkbuild.execute import archive, missing, mode, remote
from mkbuild.execute.copy import Attributes, Destination, copy
from mkbuild.execute.identity import Read, owner
from mkbuild.execute.place import Placer
from mkbuild.execute.select import Filters, Part, Pick, Selection, normalize, select
from mkbuild.execute.times import Times
from mkbuild.execute.workdir import workdir
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import ContentOf, Diff, DiffBuilder, Source
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.source import SourceTree
from mkbuild.filesystem.toc import Entry
from mkbuild.frozen import frozen
from mkbuild.plan.actions import AddStep, CopyStep, FileStep, WorkdirStep

__all__ = ["Inputs", "Times", "fetch", "key_part", "perform", "remote_sources", "selected"]


@frozen
class Inputs:
    """What a step reads from.

    ``tree``: the context or other state, None where there are no local sources. ``remotes``: for
    each of :func:`remote_sources` what :func:`fetch` made of it. ``ignored``: whether a path of
    the context is left out by its .dockerignore; only asked to explain a missing source.
    ``parent``: the files of the parent's state, needed where the base's index does not tell their
    contents; asked where one looks like what is put in its place, where /etc/passwd is a symlink,
    and where an archive links to one of them. ``selections``: what is selected of ``tree`` is kept
    there, and taken from there: a step's key asks for it, and then the step.
    """

    tree: SourceTree | None = None
    remotes: Mapping[str, SourceTree] = field(default_factory=dict)
    ignored: Callable[[str], bool] | None = None
    parent: SourceTree | None = None
    selections: dict[tuple[tuple[str, ...], Filters], Selection] = field(default_factory=dict)


@frozen
class _Group:
    """Sources of one kind in a row: what they select, and how it is taken.

    ``context``: owners do not count. ``unpack``: archives are unpacked. ``tree``: None for
    heredocs, whose bytes are in ``inline``.
    """

    selection: Selection
    context: bool
    unpack: bool = False
    tree: SourceTree | None = None
    inline: Mapping[str, bytes] = field(default_factory=dict)

    def content(self, located: Located) -> tuple[bytes, Source]:
        """Return a file's digest and the place of its bytes."""
        path, tree = located.entry.path, self.tree
        if tree is None:
            return self.selection.contents[path], self.inline[path]
        source = tree.content(located) if isinstance(tree, ContextTree) else tree.source(located)
        return self.selection.contents[path], source


def remote_sources(step: FileStep) -> tuple[str, ...]:
    """Return the sources of an ADD that are URLs or git repositories, each once, in order."""
    if not isinstance(step, AddStep):
        return ()
    return tuple(dict.fromkeys(source for source in step.sources if remote.is_remote(source)))


def fetch(step: AddStep, source: str, scratch: Path) -> SourceTree:
    """Fetch one of :func:`remote_sources` into a directory that is empty and ours.

    The tree's files stay in ``scratch``, which has to live as long as the tree and diffs made of
    it. Raises PullError where it cannot be had, StepError where its checksum differs.
    """
    try:
        return remote.fetch(step, source, scratch)
    except MkbuildError as error:
        raise error.at(step.location)  # noqa: B904 -- the same error, with its place


def key_part(step: FileStep, inputs: Inputs) -> Digest:
    """Digest the step's own parameters and all that it selects of its inputs.

    The parent's state is not in it. Raises StepError where a source does not exist.
    """
    return selected(step, inputs)[0]


def selected(step: FileStep, inputs: Inputs) -> tuple[Digest, Callable[[], dict[str, str]]]:
    """Return :func:`key_part`, and what lists the files it stands for, for people.

    The list gives ``type mode content`` by path of the source; the content is a file's SHA-256 in
    hex, or where a symlink leads.
    """
    try:
        groups = () if isinstance(step, WorkdirStep) else tuple(_groups(step, inputs))
        part = digests.of_value("mkbuild.filestep.v1", _key(step, groups))
    except MkbuildError as error:
        raise error.at(step.location)  # noqa: B904 -- the same error, with its place
    return part, partial(_contents, groups)


def _contents(groups: Iterable[_Group]) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in groups:
        digests_of = group.selection.contents
        for pick in group.selection.picks:
            for part in pick.parts:
                entry = part.located.entry
                content = digests_of[entry.path].hex() if entry.type == toc.FILE else entry.link
                found[entry.path] = f"{entry.type} {entry.mode:o} {content}"
    return found


def perform(step: FileStep, base: Index, inputs: Inputs, times: Times, scratch: Path) -> Diff:
    """Return what the step changes; its sources may lie in ``scratch`` (see :func:`fetch`).

    Raises StepError, ArchiveError.
    """
    try:
        match step:
            case WorkdirStep():
                return workdir(base, step.path, step.user, times.created, _read(inputs))
            case CopyStep() | AddStep():
                if step.link and not step.chmod:
                    layer = _copy(step, Index(), inputs, times, scratch)
                    return _onto(base, layer, _content_of(inputs))
                return _copy(step, base, inputs, times, scratch)
            case _:
                assert_never(step)
    except MkbuildError as error:
        raise error.at(step.location)  # noqa: B904 -- the same error, with its place


def _key(step: FileStep, groups: Iterable[_Group]) -> list[digests.Canonical]:
    match step:
        case WorkdirStep():
            return ["WORKDIR", normalize(step.path), step.user]
        case CopyStep() | AddStep():
            destination = Destination.parse(step.workdir, step.dest)
            archived = isinstance(step, CopyStep) and step.archive
            return [
                "COPY",
                [destination.path, destination.directory],
                [step.chown, step.chmod, step.link, archived],
                [
                    [
                        group.context,
                        group.unpack,
                        group.selection.key(
                            keep_ids=step.chown is None and (archived or not group.context),
                            whole=archived,
                        ),
                        *_attributes(group),
                    ]
                    for group in groups
                ],
            ]
        case _:
            assert_never(step)


def _attributes(group: _Group) -> list[digests.Canonical]:
    """List the extended attributes of what a context gives; nothing where there are none.

    A directory that a source names does not count: its contents are copied.
    """
    tree = group.tree
    if not isinstance(tree, ContextTree):
        return []
    paths = [
        part.located.entry.path
        for pick in group.selection.picks
        for part in (pick.parts[1:] if pick.top.entry.type == toc.DIRECTORY else pick.parts)
    ]
    found: list[digests.Canonical] = [
        [number, attributes]
        for number, path in enumerate(paths)
        if (attributes := tree.attributes(path))
    ]
    return [found] if found else []


def _copy(
    step: CopyStep | AddStep, base: Index, inputs: Inputs, times: Times, scratch: Path
) -> Diff:
    placer = Placer(base, times.created)
    destination = Destination.parse(step.workdir, step.dest)
    archived = isinstance(step, CopyStep) and step.archive
    if archived and step.chown:
        raise StepError("--archive keeps owners and --chown sets them: use one of the two")
    chmod, parent_mode = mode.parse(step.chmod) if step.chmod else (None, 0o755)
    link = step.link and not step.chmod
    ids = owner(base, step.chown, link=link, read=_read(inputs)) if step.chown else None
    for group in _groups(step, inputs):
        # A heredoc is as new as the step, whatever becomes of other times.
        given = times if group.tree is not None else Times(times.created, latest=0)
        attributes = Attributes(given, ids, chmod, parent_mode, group.context, archived)
        for pick in group.selection.picks:
            path = _archive(group, pick)
            if path is None:
                copy(placer, pick, destination, attributes, group.content)
            else:
                archive.unpack(
                    placer,
                    path,
                    destination,
                    attributes,
                    scratch=scratch,
                    parent=inputs.parent,
                )
    return placer.finish(_content_of(inputs))


def _archive(group: _Group, pick: Pick) -> Path | None:
    """Return the archive that a pick is, where archives are to be unpacked."""
    if not group.unpack or group.tree is None or pick.top.entry.type != toc.FILE:
        return None
    path = Path(group.tree.source(pick.top))
    return path if archive.is_archive(path) else None


def _read(inputs: Inputs) -> Read | None:
    parent = inputs.parent
    return None if parent is None else lambda located: Path(parent.source(located)).read_bytes()


def _content_of(inputs: Inputs) -> ContentOf | None:
    parent = inputs.parent
    return None if parent is None else lambda located: parent.digests([located])[0]


def _groups(step: CopyStep | AddStep, inputs: Inputs) -> Iterator[_Group]:
    """Select what each run of sources means, heredocs last."""
    remotes = remote_sources(step)
    _check(step, remotes)
    for is_remote, sources in groupby(step.sources, lambda source: source in remotes):
        if is_remote:
            for source in sources:
                yield _remote(step, source, inputs.remotes[source])
        else:
            yield _local(step, list(sources), inputs)
    for name, data in step.heredocs:
        yield _heredoc(name, data)


def _check(step: CopyStep | AddStep, remotes: tuple[str, ...]) -> None:
    if isinstance(step, CopyStep):
        for source in step.sources:
            if remote.is_remote(source):
                raise StepError(f"COPY cannot fetch {source!r}", hint="use ADD for URLs")
    elif step.checksum and (len(step.sources) != 1 or step.sources != remotes):
        raise StepError(
            "--checksum needs exactly one source, a URL or git repository",
            hint="write one ADD for each source that has a checksum",
        )


def _local(step: CopyStep | AddStep, sources: list[str], inputs: Inputs) -> _Group:
    tree = inputs.tree
    if tree is None:
        raise StepError(f"there is nothing to copy {sources[0]!r} from")
    context = step.context if isinstance(step, CopyStep) else True
    parents = isinstance(step, CopyStep) and step.parents
    explain = missing.Missing(inputs.ignored if context else None, context=context)
    wanted = tuple(sources), Filters(step.exclude, parents)
    selection = inputs.selections.get(wanted)
    if selection is None:
        selection = inputs.selections[wanted] = select(tree, *wanted, explain)
    if isinstance(step, CopyStep) and step.archive and isinstance(tree, ContextTree):
        selection = _owned(selection, tree)
    unpack = isinstance(step, AddStep) and step.unpack is not False
    return _Group(selection, context, unpack, tree)


def _owned(selection: Selection, tree: ContextTree) -> Selection:
    """Give the entries of a context the modes and owners that only --archive keeps."""

    def owned(part: Part) -> Part:
        entry = part.located.entry
        entry = entry._replace(**tree.status(entry.path)._asdict())
        return part._replace(located=part.located._replace(entry=entry))

    picks = tuple(
        pick._replace(parts=tuple(owned(part) for part in pick.parts)) for pick in selection.picks
    )
    return Selection(picks, selection.contents)


def _remote(step: CopyStep | AddStep, source: str, tree: SourceTree) -> _Group:
    if remote.is_git(source):
        selection = select(tree, [""], Filters(step.exclude), missing.Missing())
        return _Group(selection, context=True, tree=tree)
    files = [located for located in tree.index.walk() if located.entry.path]
    picks = tuple(Pick(file.entry.path, (Part("", file),)) for file in files)
    contents = dict(zip((file.entry.path for file in files), tree.digests(files), strict=True))
    unpack = isinstance(step, AddStep) and step.unpack is True
    return _Group(Selection(picks, contents), context=False, unpack=unpack, tree=tree)


def _heredoc(name: str, data: bytes) -> _Group:
    content = hashlib.sha256(data).digest()
    entry = Entry(name, toc.FILE, 0o644, size=len(data), content=content)
    pick = Pick(name, (Part("", Located(entry, "", name)),))
    return _Group(Selection((pick,), {name: content}), context=False, inline={name: data})


def _onto(base: Index, layer: Diff, content_of: ContentOf | None) -> Diff:
    """Lay what was made in an empty state over another one, as --link does."""
    builder = DiffBuilder(base)
    for entry in layer.toc.entries:
        if entry.type == toc.HARDLINK:
            builder.link(entry.path, entry.link)
        elif entry.type != toc.WHITEOUT:
            source = layer.sources.get(entry.content) if entry.content else None
            builder.put(entry, source, embedded=layer.toc.embedded.get(entry.path))
    return builder.finish(content_of)
