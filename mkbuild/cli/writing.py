"""Texts that a verb makes: to standard output, or into a file."""

from pathlib import Path

import click


def write(text: str, file: str | None) -> None:
    """Write a text to a file, or to standard output for None or ``-``; raises BuildError."""
    data = text.encode("utf-8", "backslashreplace")
    if file is None or file == "-":
        click.echo(data, nl=False)
        return
    from mkbuild.engine.writing import write_text

    write_text(Path(file), data)
