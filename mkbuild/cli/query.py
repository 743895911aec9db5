"""``mkbuild query``: asks the graph."""

import json
from typing import Any

import click

from mkbuild.cli.asking import affected, ask
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import since_flags, workspace_flags
from mkbuild.cli.options import Command, option

_SHOWN = "What is shown"


@click.command(cls=Command)
@click.argument("expression", nargs=-1, required=True)
@option(
    "--output",
    group=_SHOWN,
    type=click.Choice(["label", "location", "json", "waves"]),
    default="label",
    help="waves: a line for what can be built at once.",
)
@since_flags
@workspace_flags
@common_options
def command(expression: tuple[str, ...], output: str, **params: Any) -> None:
    """Ask the graph of targets; prints labels, none where nothing matches.

    deps(x[, depth]), rdeps(x[, depth]), somepath(x, y), allpaths(x, y), kind(regex, x),
    attr(member, regex, x), filter(regex, x); x + y is union, x - y without, x ^ y both. --since
    leaves those of the result that a git ref differs in.
    """
    from mkbuild.graph.query import run

    common = take_common(params)
    question = ask(common, params)
    labels = run(" ".join(expression), question.workspace, question.graph)
    labels = affected(common, params, labels)
    match output:
        case "json":
            click.echo(json.dumps(list(labels), indent=2))
        case "waves":
            for wave in question.graph.waves(labels):
                click.echo(" ".join(wave))
        case "location":
            for label in labels:
                place = question.workspace.targets[label].location
                click.echo(f"{question.place(place.file)}:{place.line}:{place.column}: {label}")
        case _:
            for label in labels:
                click.echo(label)
