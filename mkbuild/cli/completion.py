"""``mkbuild completion``: what a shell needs to complete verbs, flags, targets and groups."""

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    bash: eval "$(mkbuild completion bash)" in ~/.bashrc; zsh likewise; fish: mkbuild completion
    fish > ~/.config/fish/completions/mkbuild.fish
    """
    from click.shell_completion import get_completion_class

    from mkbuild.cli.root import root

    kind = get_completion_class(shell)
    if kind is None:
        message = f"click does not know {shell}"
        raise click.ClickException(message)
    click.echo(kind(root, {}, "mkbuild", "_MKBUILD_COMPLETE").source())
