"""``mkbuild verify``: builds twice and compares."""

import os
from typing import Any

import click

from mkbuild.cli import flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command
from mkbuild.cli.request import make_request
from mkbuild.cli.writing import write_rows


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@flags.input_flags
@flags.run_flags
@flags.lone_flags
@common_options
def command(selection: tuple[str, ...], **params: Any) -> None:
    """Build images, build them again without any cache, and compare; exit 1 where they differ.

    Says which layer differs first, and which path in it.
    """
    common = take_common(params)
    request = make_request(common, selection, params, os.environ)
    from mkbuild.engine.verify import complain, verify

    verdicts = verify(request, common.reporter())
    words = ("differs" if found.difference else "same" for found in verdicts)
    write_rows(
        f"{word:<8} {found.label} {found.platform} {found.first}"
        for word, found in zip(words, verdicts, strict=True)
    )
    complain(verdicts)
