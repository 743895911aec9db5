"""``mkbuild [build]``: builds images."""

import os
from typing import Any

import click

from mkbuild.cli import flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.common import Common, common_options, take_common
from mkbuild.cli.options import Command
from mkbuild.cli.request import make_request
from mkbuild.engine.request import BuildRequest

_BARE = {"--push": "--push=", "--modifyfs": "--modifyfs=true"}


class BuildCommand(Command):
    """Reads bare flags that may have a value as such, whatever stands behind them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments."""
        end = args.index("--") if "--" in args else len(args)
        head = [_BARE.get(word, word) for word in args[:end]]
        return super().parse_args(ctx, head + args[end:])


@click.command(cls=BuildCommand, short_help="Build images (the default verb).")
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@flags.input_flags
@flags.run_flags
@flags.build_flags
@flags.result_flags
@flags.cache_flags
@flags.lone_flags
@flags.makisu_flags
@common_options
def command(selection: tuple[str, ...], **params: Any) -> int:
    """Build images: named targets of BUILD.yaml, or a directory with a lone Dockerfile.

    Without a selection, the group "default" is built, or all.
    """
    listing, printing = params.pop("list_only"), params.pop("print_only")
    common = take_common(params)
    request = make_request(common, selection, params, os.environ)
    if listing or printing:
        from mkbuild.cli.printing import print_targets

        print_targets(request, common.reporter, as_json=printing)
        return 0
    if request.behaviour.question or request.behaviour.dry_run:
        return _preview(request, common)
    name, last, loading = click.get_current_context().obj
    loading.ask(request)
    from mkbuild.engine.build import build
    from mkbuild.engine.evidence import Asked

    asked = Asked(name, common.mode, common.verbose, last) if name else None
    if not request.behaviour.interactive:
        return build(request, common.reporter(), asked, loading=loading)
    from mkbuild.cli.attend import at_failure

    return at_failure(common, request, lambda: build(request, common.reporter(), loading=loading))


def _preview(request: BuildRequest, common: Common) -> int:
    """Say what a build would do, or by the exit status whether it would do anything."""
    from mkbuild.engine.build import plan

    found = plan(request, common.reporter())
    if request.behaviour.question:
        return int(bool(found.misses()))
    from mkbuild.cli.plan import show

    show(found)
    return 0
