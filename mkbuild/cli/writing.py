"""Texts that a verb makes: to standard output, or into a file."""

from pathlib import Path

import click

from mkbuild.errors import UsageError


def write(text: str, file: str | None) -> None:
    """Write a text to a file, or to standard output for None or ``-``; raises UsageError."""
    data = text.encode("utf-8", "backslashreplace")
    if file in (None, "-"):
        click.echo(data, nl=False)
        return
    try:
        Path(str(file)).write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {file}: {error.strerror}") from error
