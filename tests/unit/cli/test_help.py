"""What the help of a group of commands says of each."""

import click

from mkbuild.cli.root import root

_ROOM = 64
"""Columns beside the longest name of a command, of 80."""


def test_no_command_is_cut_short() -> None:
    cache = dict(_commands(root))["cache"]
    assert isinstance(cache, click.Group)
    shown = {name: found.get_short_help_str(_ROOM) for name, found in _commands(cache)}
    assert {"du", "export", "import"} <= shown.keys()
    assert [name for name, text in shown.items() if text.endswith("...")] == []


def _commands(group: click.Group) -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return [(name, command) for name, command in found if command is not None]
