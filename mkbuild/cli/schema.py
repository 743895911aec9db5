"""``mkbuild schema``: JSON schemas of build files, and of what mkbuild writes."""

import json

import click


@click.command()
@click.argument("what", default="build", type=click.Choice(["build", "metadata", "plan", "events"]))
def command(what: str) -> None:
    """Print a JSON schema: of build files (for editors), or of what mkbuild writes.

    build: BUILD.yaml, whose first line can name it: # yaml-language-server: $schema=FILE.
    metadata: build --metadata-file. plan: plan --json. events: a line of --progress=json.
    """
    from mkbuild.engine.schemas import SCHEMAS

    click.echo(json.dumps(SCHEMAS[what](), indent=2))
