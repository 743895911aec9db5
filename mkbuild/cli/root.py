"""The command without its verb: where to find each, build as the default."""

import importlib

import click
from click.shell_completion import CompletionItem

from mkbuild.cli.verbs import NAMES, VERBS, arrange


class Root(click.Group):
    """Loads a verb's module when the verb is used, and none for the list of them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the verb first: general options may stand before it, and build need not be said."""
        completing_first_word = ctx.resilient_parsing and not args
        return super().parse_args(ctx, args if completing_first_word else arrange(args))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of the help."""
        return list(NAMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb: module ``mkbuild.cli.<verb>``, its ``command``."""
        if cmd_name not in NAMES:
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
