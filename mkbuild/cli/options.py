"""Options as mkbuild has them: in groups, each also a variable ``MKBUILD_<FLAG>``."""

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

GENERAL = "General"


class Option(click.Option):
    """An option with the group it is listed under; its variable is made of its long name.

    Where it may be given several times, the variable holds shell words.
    """

    def __init__(self, *args: Any, group: str = "Options", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        long = next(name for name in reversed(self.opts) if name.startswith("--"))
        self.envvar = "MKBUILD_" + long[2:].replace("-", "_").upper()

    def value_from_envvar(self, ctx: click.Context) -> Any:
        """Read the variable: shell words for a repeatable option, else one value."""
        text = self.resolve_envvar_value(ctx)
        if text is None or not self.multiple:
            return super().value_from_envvar(ctx)
        try:
            return tuple(shlex.split(text))
        except ValueError as error:
            message = f"{self.envvar}: {error}"
            raise click.UsageError(message, ctx) from error


class Command(click.Command):
    """A command whose help lists its options by group."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section a group, in the order in which the groups were declared."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                groups.setdefault(getattr(param, "group", GENERAL), []).append(record)
        groups[GENERAL] = groups.pop(GENERAL, [])
        for name, records in groups.items():
            if records:
                with formatter.section(name):
                    formatter.write_dl(records)


def option(*names: str, group: str, **settings: Any) -> Callable[[_Command], _Command]:
    """Declare an option in a group."""
    return click.option(*names, cls=Option, group=group, **settings)


def combine(
    *options: Callable[[Callable[..., Any]], Callable[..., Any]],
) -> Callable[[_Command], _Command]:
    """Make one decorator of several options, listed in this order."""

    def decorate(command: _Command) -> _Command:
        for declare in reversed(options):
            declare(command)
        return command

    return decorate
