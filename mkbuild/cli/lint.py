"""``mkbuild lint``: build checks of Dockerfiles and build files."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mkbuild.cli.asking import Question, ask, complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import workspace_flags
from mkbuild.cli.options import Command, option
from mkbuild.errors import ChecksFailedError
from mkbuild.progress import github
from mkbuild.progress.excerpt import excerpt
from mkbuild.progress.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mkbuild.buildfile.target import Target
    from mkbuild.context.ignore import Ignore
    from mkbuild.dockerfile.finding import Finding

_SHOWN = "What is shown"


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option(
    "--format",
    "how",
    group=_SHOWN,
    type=click.Choice(["text", "json", "github"]),
    default="text",
    help="github: annotations of a workflow (added to text inside one).",
)
@workspace_flags
@common_options
def command(selection: tuple[str, ...], how: str, **params: Any) -> None:
    """Check Dockerfiles and build files; exit status 3 where something was found.

    A selection is one of targets (all by default), or names Dockerfiles. The rules are those of
    docker build --check; # check=skip=RULE in a Dockerfile silences one.
    """
    common = take_common(params)
    files = [Path(text) for text in selection if Path(text).is_file()]
    if files and len(files) == len(selection):
        found = [item for file in files for item in _check_file(file)]
    else:
        question = ask(common, params)
        targets = [question.workspace.targets[label] for label in question.select(selection)]
        found = list(dict.fromkeys(item for target in targets for item in _check(question, target)))
    _show(found, how)
    if found:
        raise ChecksFailedError(f"{count(len(found), 'finding')} to mend")


def _check_file(file: Path) -> "list[Finding]":
    from mkbuild.dockerfile import lint, parser

    dockerfile = parser.parse(file.read_bytes(), str(file))
    return lint.check(dockerfile, ignore=_ignore(file.parent, str(file)))


def _ignore(context: Path, dockerfile: str) -> "Ignore | None":
    from mkbuild.context.ignore import Ignore
    from mkbuild.engine.contexts import ignore_file

    found = ignore_file(context, dockerfile)
    return Ignore.parse(found[1], found[0]) if found else None


def _check(question: Question, target: "Target") -> "Iterable[Finding]":
    from mkbuild.buildfile.target import DirectoryContext
    from mkbuild.dockerfile import lint

    for use in target.git_uses:
        place = replace(use.location, file=question.place(use.location.file))
        yield lint.Finding(
            "GitFactInImage",
            place,
            f"{target.label}: {use.key} holds {use.fact}: the digest changes at every commit",
            "${inputs.commit} is the last commit that touched what the image is made of",
        )
    dockerfile = question.dockerfile(target)
    if dockerfile is None:
        return
    ignore = None
    if isinstance(target.context, DirectoryContext):
        ignore = _ignore(Path(target.context.path), target.dockerfile)
    yield from lint.check(dockerfile, build_args=target.args, ignore=ignore)


def _show(found: "list[Finding]", how: str) -> None:
    if how == "json":
        records = [
            {
                "rule": item.rule,
                "file": item.location.file,
                "line": item.location.line,
                "message": item.message,
                "hint": item.hint,
            }
            for item in found
        ]
        click.echo(json.dumps(records, indent=2))
        return
    commands = _commands(found)
    if how == "github":
        click.echo("\n".join(commands), nl=bool(commands))
        return
    for item in found:
        click.echo(f"{item.location}: {item.rule}: {item.message}")
        for line in excerpt(item.location):
            click.echo(f"  {line}")
        click.echo(f"  hint: {item.hint}")
    if github.is_active(os.environ):
        click.echo("\n".join(commands), nl=bool(commands), err=True)


def _commands(found: "Iterable[Finding]") -> list[str]:
    place = github.placed(str(Path.cwd()), os.environ)
    return [
        github.annotation(
            "warning", item.rule, f"{item.message}\n{item.hint}", item.location, place
        )
        for item in found
    ]
