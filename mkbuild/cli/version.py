"""``mkbuild version``."""

import click

from mkbuild import __version__


@click.command()
def command() -> None:
    """Print the version."""
    click.echo(f"mkbuild {__version__}")
