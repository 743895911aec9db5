"""The console script: runs a verb, shows what went wrong, returns the exit status."""

import os
import sys

import click

from mkbuild.cli.root import root
from mkbuild.errors import CancelledError, MkbuildError

_INTERRUPTED = 130
_USAGE = 2


def main(argv: list[str] | None = None) -> int:
    """Run ``mkbuild`` with some arguments, by default the process's own."""
    args = sys.argv[1:] if argv is None else argv
    try:
        return _run(args)
    except click.Abort:
        return _INTERRUPTED
    except (KeyboardInterrupt, CancelledError):
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except BrokenPipeError:
        from mkbuild.cli.errors import close_streams

        close_streams()
        return 1  # as click does where it notices first
    except MkbuildError as error:
        from mkbuild.cli import errors

        if error.exit_code == errors.INTERNAL:
            errors.internal(error, args, sys.stderr)
        else:
            errors.show(error, sys.stderr, os.environ, verbose=_is_verbose(args))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last place where one can be caught
        from mkbuild.cli import errors

        errors.internal(error, args, sys.stderr)
        return errors.INTERNAL


def _run(args: list[str]) -> int:
    try:
        status = root.main(args, prog_name="mkbuild", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return _USAGE
    except click.ClickException as error:
        error.show()
        return _USAGE
    sys.stdout.flush()
    return status if isinstance(status, int) else 0


def _is_verbose(args: list[str]) -> bool:
    return "-v" in args or "--verbose" in args or os.environ.get("MKBUILD_VERBOSE") == "1"
