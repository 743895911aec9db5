"""``mkbuild schema``: the JSON schema of build files."""

import json

import click


@click.command()
def command() -> None:
    """Print the JSON schema of build files, for editors.

    The first line of a build file can name it: # yaml-language-server: $schema=FILE
    """
    from mkbuild.buildfile.schema import build_file_schema

    click.echo(json.dumps(build_file_schema(), indent=2))
