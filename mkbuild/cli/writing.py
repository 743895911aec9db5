"""Texts that a verb makes: to standard output, or into a file."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from mkbuild.progress import text as texts
from mkbuild.progress.columns import USUAL, columns


def write(text: str, file: str | None) -> None:
    """Write a text to a file, or to standard output for None or ``-``; raises BuildError."""
    data = text.encode("utf-8", "backslashreplace")
    if file is None or file == "-":
        click.echo(data, nl=False)
        return
    from mkbuild.engine.writing import write_text

    write_text(Path(file), data)


def room(beside: int = 0, least: int = 8) -> int:
    """Return the columns of standard output that are left beside some; of a pipe, as of 80."""
    return max((columns(sys.stdout, os.environ) or USUAL) - beside, least)


def write_rows(rows: Iterable[str]) -> None:
    """Write the lines of a listing; on a terminal each is cut to its width, elsewhere none is."""
    room = columns(sys.stdout, os.environ)
    for row in rows:
        click.echo(row if room is None else texts.fit(row, room))
