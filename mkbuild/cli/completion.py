"""``mkbuild completion``: what a shell needs to complete verbs, flags, targets and groups."""

import click

_BASH = r"""
_mkbuild_completion() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
    local -a words
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    # Of //dir:name, readline takes what follows the colon as the word: the second argument.
    local known=${words[-1]%"$2"} kind value
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
        plain) COMPREPLY+=("${value#"$known"}") ;;
        dir) compopt -o dirnames ;;
        file) compopt -o default ;;
        esac
    done < <(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \
        _MKBUILD_COMPLETE=bash_complete "$1")
}
complete -o nosort -F _mkbuild_completion mkbuild
"""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    bash: eval "$(mkbuild completion bash)" in ~/.bashrc; zsh likewise; fish: mkbuild completion
    fish > ~/.config/fish/completions/mkbuild.fish
    """
    if shell == "bash":
        # click's own knows nothing of words with @ and : in them.
        click.echo(_BASH.strip())
        return
    from click.shell_completion import get_completion_class

    from mkbuild.cli.root import root

    kind = get_completion_class(shell)
    if kind is None:
        message = f"click does not know {shell}"
        raise click.ClickException(message)
    click.echo(kind(root, {}, "mkbuild", "_MKBUILD_COMPLETE").source())
