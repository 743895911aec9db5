"""``mkbuild graph``: draws the graph of targets, or proves one of its edges."""

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from mkbuild.cli.asking import Question, ask, complete_selection
from mkbuild.cli.common import common_options, take_common
from mkbuild.cli.flags import workspace_flags
from mkbuild.cli.options import Command, option
from mkbuild.cli.writing import write, write_rows
from mkbuild.errors import SelectionError

if TYPE_CHECKING:
    from mkbuild.buildfile.target import Target

_SHOWN = "What is shown"
Format = Literal["text", "dot", "mermaid", "json", "html"]


@click.command(cls=Command)
@click.argument("selection", nargs=-1, shell_complete=complete_selection)
@option(
    "--format",
    "how",
    group=_SHOWN,
    type=click.Choice(["text", "dot", "mermaid", "json", "html"]),
    default="text",
    help="text: what each target needs, and where it says so; html: a page to look at.",
)
@option("--output", group=_SHOWN, metavar="FILE", help="Write it there, not to standard output.")
@option(
    "--why-edge",
    group=_SHOWN,
    nargs=2,
    metavar="A B",
    help="Prove that A needs B.",
)
@workspace_flags
@common_options
def command(
    selection: tuple[str, ...],
    how: Format,
    output: str | None,
    why_edge: tuple[str, str] | None,
    **params: Any,
) -> None:
    """Draw what a selection (all by default) and its dependencies need."""
    question = ask(take_common(params), params)
    if why_edge:
        write("".join(f"{line}\n" for line in _why(question, *why_edge)), output)
        return
    labels = question.graph.dependencies(question.select(selection))
    if how == "text" and output is None:
        write_rows(_text(question, labels))
        return
    write(_drawn(question, how, labels), output)


def _drawn(question: Question, how: Format, labels: set[str]) -> str:
    if how == "text":
        return "".join(f"{line}\n" for line in _text(question, labels))
    if how == "html":
        return _page(question, labels)
    from mkbuild.graph.render import render

    return render(question.graph, how, labels, question.place)


def _page(question: Question, labels: set[str]) -> str:
    from mkbuild.pages.subject import Subject
    from mkbuild.pages.targets import target_page

    def dockerfile(target: "Target") -> tuple[str, int] | None:
        parsed = question.dockerfile(target)
        return None if parsed is None else (parsed.name, len(parsed.stages))

    title = Path(question.workspace.root).name or "/"
    return target_page(Subject(question.graph, labels, title, question.place, dockerfile))


def _text(question: Question, labels: set[str]) -> list[str]:
    lines: list[str] = []
    for label in question.graph.order():
        if label not in labels:
            continue
        lines.append(label)
        for other in question.graph.needs(label):
            proof = question.graph.why_edge(label, other)[0]
            lines.append(f"  needs {other}: {proof}")
    return lines


def _why(question: Question, source: str, target: str) -> list[str]:
    first, last = (_one(question, name) for name in (source, target))
    proofs = question.graph.why_edge(first, last)
    if proofs:
        return [str(proof) for proof in proofs]
    path = question.graph.some_path(first, last)
    if not path:
        raise SelectionError(f"{first} does not need {last}")
    steps = pairwise(path)
    return [
        f"{left} needs {right}: {question.graph.why_edge(left, right)[0]}" for left, right in steps
    ]


def _one(question: Question, name: str) -> str:
    labels = question.select((name,))
    if len(labels) != 1:
        raise SelectionError(f"{name} means {len(labels)} targets, not one")
    return labels[0]
