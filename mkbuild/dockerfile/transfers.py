"""COPY and ADD (Dockerfile reference, "COPY", "ADD"; Makisu's --archive)."""

from mkbuild.dockerfile import flags, heredoc, words
from mkbuild.dockerfile.flags import FlagError
from mkbuild.dockerfile.instructions import Add, Copy, Heredoc
from mkbuild.dockerfile.node import Node
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen

_MINIMUM = 2


@frozen
class _Paths:
    sources: tuple[str, ...]
    dest: str
    heredocs: tuple[Heredoc, ...]


def copy(node: Node, escape: str) -> Copy:
    """Read COPY. Raises DockerfileError."""
    _check_count(node)
    given = flags.parse(
        node.flags,
        {
            "from": "text",
            "chown": "text",
            "chmod": "text",
            "link": "bool",
            "parents": "bool",
            "exclude": "list",
            "archive": "bool",
        },
    )
    paths = _paths(node)
    from_ = given.text("from")
    if from_ is not None and words.expand(from_, {}, escape) != from_:
        message = "variable expansion is not supported for --from"
        hint = "define a stage with FROM, using a global ARG there, and copy from that stage"
        raise FlagError(message, "--from", hint=hint)
    chown, archive = given.text("chown"), given.switch("archive")
    if archive and chown is not None:
        message = "--archive keeps the owner, so it cannot stand together with --chown"
        raise FlagError(message, "--archive", hint="remove one of the two")
    return Copy(
        paths.sources,
        paths.dest,
        paths.heredocs,
        from_=from_,
        chown=chown,
        chmod=given.text("chmod"),
        link=given.switch("link"),
        parents=given.switch("parents"),
        exclude=given.items("exclude"),
        archive=archive,
    )


def add(node: Node) -> Add:
    """Read ADD. Raises DockerfileError."""
    _check_count(node)
    given = flags.parse(
        node.flags,
        {
            "chown": "text",
            "chmod": "text",
            "link": "bool",
            "keep-git-dir": "bool",
            "checksum": "text",
            "unpack": "bool",
            "exclude": "list",
        },
    )
    paths = _paths(node)
    return Add(
        paths.sources,
        paths.dest,
        paths.heredocs,
        chown=given.text("chown"),
        chmod=given.text("chmod"),
        link=given.switch("link"),
        exclude=given.items("exclude"),
        checksum=given.text("checksum"),
        keep_git_dir=given.switch("keep-git-dir"),
        unpack=given.booleans.get("unpack"),
    )


def _check_count(node: Node) -> None:
    if len(node.args) < _MINIMUM:
        keyword = node.keyword.upper()
        message = (
            f"{keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
        raise DockerfileError(message, hint=f"write {keyword} source… destination")


def _paths(node: Node) -> _Paths:
    *args, dest = node.args
    if heredoc.of_argument(dest):
        message = f"{node.keyword.upper()} cannot accept a heredoc as a destination"
        raise DockerfileError(message, hint="end the line with the path to write to")
    contents = {found.name: found.raw for found in node.heredocs}
    sources: list[str] = []
    inline: list[Heredoc] = []
    for word in args:
        start = heredoc.of_argument(word)
        if start is None:
            sources.append(word)
            continue
        raw = contents.get(start.name, "")  # in exec form a heredoc has no content
        content = heredoc.chomp(raw) if start.chomp else raw
        inline.append(Heredoc(start.name, content, start.expand, start.chomp, start.fd))
    return _Paths(tuple(sources), dest, tuple(inline))
