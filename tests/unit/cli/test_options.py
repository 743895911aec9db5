"""Every option of every verb can be given as MKBUILD_<FLAG>."""

import click
import pytest
from click.testing import CliRunner

from mkbuild.cli.options import Option
from mkbuild.cli.root import root
from mkbuild.cli.verbs import VERBS


def commands(command: click.Command, name: str) -> list[tuple[str, click.Command]]:
    """Return a verb, or the verbs below it."""
    if not isinstance(command, click.Group):
        return [(name, command)]
    return [
        found
        for below, inner in sorted(command.commands.items())
        for found in commands(inner, f"{name} {below}")
    ]


def options() -> list[tuple[str, Option]]:
    """Return all options of all verbs, each with its verb."""
    context = click.Context(root)
    names = [name for verbs in VERBS.values() for name in verbs]
    found = []
    for name in names:
        command = root.get_command(context, name)
        assert command is not None
        for path, verb in commands(command, name):
            found += [
                (path, param) for param in verb.params if not isinstance(param, click.Argument)
            ]
    return found  # type: ignore[return-value]  # that they are is what the first test holds


def name(option: click.Option) -> str:
    """Return the longest of an option's names, without the dashes."""
    return next(name for name in reversed(option.opts) if name.startswith("--"))[2:]


def test_all_are_of_our_kind() -> None:
    assert [(verb, option.name) for verb, option in options() if type(option) is not Option] == []


def sample(option: Option) -> tuple[str, object]:
    """Return a variable's text, and the value that it stands for."""
    text = "7"
    if isinstance(option.type, click.Choice):
        text = str(option.type.choices[-1])
    if option.is_flag:
        return "1", True
    if option.nargs > 1:
        return f"{text} {text}", (text, text)
    if option.multiple:
        return f"'{text}' {text}", (text, text)
    return text, int(text) if isinstance(option.type, click.types.IntParamType) else text


@pytest.mark.parametrize(
    ("verb", "option"), options(), ids=[f"{verb} --{name(option)}" for verb, option in options()]
)
def test_each_is_a_variable(verb: str, option: Option) -> None:
    variable = "MKBUILD_" + name(option).replace("-", "_").upper()
    text, wanted = sample(option)
    seen: list[object] = []
    taker = click.Command(
        "taker", params=[option], callback=lambda **values: seen.extend(values.values())
    )
    done = CliRunner(env={variable: text}).invoke(taker, [], standalone_mode=False)
    assert done.exception is None, f"{verb}: {done.exception}"
    assert seen == [wanted]


def test_repeatable_ones_hold_shell_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKBUILD_VAR", "'A=one two' B=3")
    option = next(found for verb, found in options() if verb == "build" and found.name == "var")
    command = click.Command("c", params=[option], callback=lambda var: var)
    assert command.main([], standalone_mode=False) == ("A=one two", "B=3")
    monkeypatch.setenv("MKBUILD_VAR", "'A=one")
    with pytest.raises(click.UsageError, match="MKBUILD_VAR: No closing quotation"):
        command.main([], standalone_mode=False)
