"""The command without its verb: which verbs there are, where to find each, build as the default."""

import importlib
from collections.abc import Iterator

import click
from click.shell_completion import CompletionItem

from mkbuild.cli.common import FLAGS, VALUED

VERBS = {
    "Build": {
        "build": "Build images (the default verb).",
        "watch": "Build again whenever a save changes an image.",
        "shell": "Open a shell where a step failed.",
        "verify": "Build twice, and compare.",
        "promote": "Let a tag stand for finished images; nothing is built.",
    },
    "Images": {
        "push": "Push an image of a docker-save archive.",
        "pull": "Pull an image, and unpack its files.",
        "diff": "Compare two images.",
    },
    "Ask": {
        "plan": "Say what a build would do, step by step.",
        "why": "Say what changed, and how that reaches an image.",
        "list": "List targets and groups.",
        "query": "Ask the graph: deps, rdeps, paths, filters.",
        "graph": "Draw the graph, or prove an edge.",
        "log": "Show past runs: what ran, what took the time.",
    },
    "Write": {
        "lint": "Check Dockerfiles and build files.",
        "schema": "Print JSON schemas: of build files, metadata, plans.",
        "fmt": "Format build files.",
        "init": "Write a first build file.",
        "lock": "Pin what base images, URLs and git refs stand for.",
    },
    "Machine": {
        "cache": "Measure, clean, export and import the local store.",
        "doctor": "Say what this machine can do, and how to fix what it cannot.",
        "completion": "Print the completion script of a shell.",
        "version": "Print the version.",
    },
}
_NAMES = {name: text for verbs in VERBS.values() for name, text in verbs.items()}
_HELP = {"-h", "--help", "--version"}


class Root(click.Group):
    """Loads a verb's module when the verb is used, and none for the list of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb first: general options may stand before it, and build need not be said."""
        completing_first_word = ctx.resilient_parsing and not args
        return super().parse_args(ctx, args if completing_first_word else arrange(args))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of the help."""
        return list(_NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb: module ``mkbuild.cli.<verb>``, its ``command``."""
        if cmd_name not in _NAMES:
            return None
        command: click.Command = importlib.import_module(f"mkbuild.cli.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer verbs, and what the default verb takes."""
        from mkbuild.cli.build import command as build

        if incomplete.startswith("-"):
            return build.shell_complete(ctx, incomplete)
        selection = build.params[0]
        return [
            *super().shell_complete(ctx, incomplete),
            *selection.shell_complete(ctx, incomplete),
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write one section a group of verbs, importing none of them."""
        for group, verbs in VERBS.items():
            with formatter.section(group):
                formatter.write_dl(list(verbs.items()))


def arrange(args: list[str]) -> list[str]:
    """Return the arguments with the verb first."""
    if args and args[0] in _HELP:
        return args
    at = _first_word(iter(enumerate(args)))
    if at is not None and args[at] in _NAMES:
        return [args[at], *args[:at], *args[at + 1 :]]
    return ["build", *args]


def _first_word(words: Iterator[tuple[int, str]]) -> int | None:
    """Find the first argument that is no general option; None before an option of build."""
    for index, word in words:
        if not word.startswith("-") or word == "-":
            return index
        if word in VALUED:
            next(words, None)
        elif word not in FLAGS and word.partition("=")[0] not in VALUED and word[:2] not in VALUED:
            return None
    return None


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="mkbuild VERB --help says more. Every flag is also a variable: MKBUILD_<FLAG>.",
)
@click.version_option(package_name="mkbuild", message="mkbuild %(version)s")
def root() -> None:
    """Make for container images: mkbuild [build] SELECTION… builds what changed.

    A selection is a target's name, a glob, @group, !exclude, //dir/..., ...name (with
    dependents), name... (with dependencies), or a directory with a lone Dockerfile.
    """
