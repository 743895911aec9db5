"""The console script: runs a verb, shows what went wrong, returns the exit status."""

import gc
import os
import sys

from mkbuild.engine import compiled

TYPE_CHECKING = False  # typing costs a no-op 10 ms
if TYPE_CHECKING:
    from typing import NoReturn

    from mkbuild.engine.loading import Loading

_INTERRUPTED = 130
_USAGE = 2
_SOON = 0.05
"""Seconds."""


def console() -> "NoReturn":
    """Run the process's own arguments, and end it.

    At once: to take a hundred thousand values apart one by one would take a no-op 10 ms.
    """
    # Until a build begins nothing is thrown away that is worth looking for (see _dispatch).
    gc.disable()
    sys.unraisablehook = _raise_again
    # Those that the caller has closed: what is opened next must not be taken for one of them.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115 -- to the end
    status = _INTERRUPTED  # a second time, while the first was dealt with, ends it at once
    try:
        status = main()
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except OSError:
            status = status or 1
    except KeyboardInterrupt:
        pass
    os._exit(status)


def _raise_again(lost: "sys.UnraisableHookArgs") -> None:
    """Have a signal come again that came in the middle of a destructor, where Python drops it."""
    if lost.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(lost)
        return
    import signal
    import threading

    # Later, when the main thread has left the destructor, and this hook.
    threading.Timer(_SOON, os.kill, (os.getpid(), signal.SIGINT)).start()


def main(argv: list[str] | None = None) -> int:
    """Run ``mkbuild`` with some arguments, by default the process's own."""
    args = sys.argv[1:] if argv is None else argv
    try:
        found = compiled.replay(args, os.environ)
        return found if isinstance(found, int) else _run(args, found)
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        from mkbuild.cli.errors import close_streams

        close_streams()
        return 1  # as click does where it notices first
    except Exception as error:  # noqa: BLE001 - the last place where one can be caught
        return _failed(error, args)


def _run(args: list[str], last: compiled.Compiled | None) -> int:
    from mkbuild.cli.verbs import arrange
    from mkbuild.engine.loading import Loading

    builds = arrange(args)[:1] == ["build"]
    known = last is not None and last.loads_alike(os.environ)
    with Loading(wanted=builds and not known) as loading:
        return _dispatch(args, last, loading)


def _dispatch(args: list[str], last: compiled.Compiled | None, loading: "Loading") -> int:
    import click  # here: what a compiled plan answers needs none of it

    from mkbuild.cli.root import root

    # A build makes values by the hundred thousand and hardly a cycle: walking them all at every
    # 700th, as is the default, was a seventh of its time.
    gc.set_threshold(100_000, 20, 20)
    gc.enable()
    try:
        asked = (compiled.name_of(args), last, loading)
        status = root.main(args, prog_name="mkbuild", standalone_mode=False, obj=asked)
    except click.Abort:
        return _interrupted()
    except click.ClickException as error:
        error.show()
        return _USAGE
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def _failed(error: Exception, args: list[str]) -> int:
    from mkbuild.cli import errors
    from mkbuild.errors import CancelledError, MkbuildError

    # Python wraps what interrupts the making of a class, as while a module is imported.
    if isinstance(error, CancelledError) or isinstance(error.__cause__, KeyboardInterrupt):
        return _interrupted()
    told = error if isinstance(error, MkbuildError) else errors.of_the_machine(error)
    if told is not None and told.exit_code != errors.INTERNAL:
        errors.show(told, sys.stderr, os.environ, verbose=_is_verbose(args))
        return told.exit_code
    errors.internal(error, args, sys.stderr)
    return errors.INTERNAL


def _interrupted() -> int:
    sys.stderr.write("interrupted\n")
    return _INTERRUPTED


def _is_verbose(args: list[str]) -> bool:
    return "-v" in args or "--verbose" in args or os.environ.get("MKBUILD_VERBOSE") == "1"
