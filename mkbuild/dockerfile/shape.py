"""What several instructions have in common: how many arguments, exec or shell form."""

from mkbuild.dockerfile import flags, heredoc
from mkbuild.dockerfile.instructions import Command, Heredoc
from mkbuild.dockerfile.node import Node, RawHeredoc
from mkbuild.errors import DockerfileError


def no_flags(node: Node) -> None:
    """Refuse every flag. Raises FlagError."""
    flags.parse(node.flags, {})


def some(node: Node) -> None:
    """Require an argument. Raises DockerfileError."""
    if not node.args:
        keyword = node.keyword.upper()
        message = f"{keyword} requires at least one argument"
        raise DockerfileError(message, hint=f"say what {keyword} applies to, or remove it")


def exactly_one(node: Node, *, flags_too: bool = True) -> str:
    """Return the one argument; flags are refused, except where BuildKit overlooks them."""
    if len(node.args) != 1:
        keyword = node.keyword.upper()
        message = f"{keyword} requires exactly one argument"
        raise DockerfileError(message, hint=f"say what {keyword} sets, or remove it")
    if flags_too:
        no_flags(node)
    return node.args[0]


def command(node: Node) -> Command:
    """Read a command line in exec or shell form; without any, it is the empty shell command."""
    if node.json:
        return Command(argv=node.args)
    return Command(shell=" ".join(node.args), heredocs=tuple(map(chomped, node.heredocs)))


def chomped(raw: RawHeredoc) -> Heredoc:
    """Finish a heredoc's content."""
    content = heredoc.chomp(raw.raw) if raw.chomp else raw.raw
    return Heredoc(raw.name, content, raw.expand, raw.chomp, raw.fd)
