"""``mkbuild plan``: what a build would do, and why it would run what it would run."""

import json
import os
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli import flags
from mkbuild.cli.asking import complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.options import Command, option
from mkbuild.cli.request import make_request
from mkbuild.cli.writing import room

if TYPE_CHECKING:
    from mkbuild.engine.preview import Preview


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option("--json", "as_json", group="What is shown", is_flag=True, help="As JSON, for build --plan.")
@flags.against_flag
@flags.input_flags
@flags.cache_flags
@flags.lone_flags
@common_options
def command(selection: tuple[str, ...], as_json: bool, **params: Any) -> None:  # noqa: FBT001 - click's way
    """Say what a build would do: each step hit-local, hit-remote or miss, and why it is one."""
    common = take_common(params)
    request = make_request(common, selection, params, os.environ)
    from mkbuild.engine.build import plan

    preview = plan(request, common.reporter())
    if as_json:
        click.echo(json.dumps(preview.document(), indent=2))
    else:
        show(preview)


def show(preview: "Preview") -> None:
    """Print every step, below the first target that needs it, and how many would run."""
    from mkbuild.progress import text

    wide, narrow = room(7), room(32)
    shown_before: set[str] = set()
    for label, steps in preview.targets.items():
        fresh = [step for step in steps if step.key not in shown_before]
        shown_before.update(step.key for step in fresh)
        above = len(steps) - len(fresh)
        click.echo(f"{label}  ({text.count(above, 'step')} above)" if above else label)
        for step in fresh:
            own = "" if step.target == label else f"{step.target} "
            size = text.size(step.bytes) if step.bytes else ""
            took = text.seconds(step.seconds) if step.seconds else ""
            shown = text.one_line(f"{own}[{step.stage}] {step.instruction}")
            click.echo(f"  {step.status:<10}  {size:>7}  {took:>6}  {text.fit(shown, narrow)}")
            if step.why:
                click.echo(f"      {text.fit(text.one_line(step.why), wide)}")
    missing = len(preview.misses())
    hits = len(preview.steps()) - missing
    click.echo(f"{text.count(missing, 'step')} would run, {hits} cached")
