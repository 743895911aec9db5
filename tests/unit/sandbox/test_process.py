"""What the end of a supervisor that reported nothing means."""

import marshal
import signal

import pytest

from mkbuild.errors import CancelledError, SandboxError
from mkbuild.sandbox.process import _outcome


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_was_interrupted_while_it_began_has_not_failed(number: signal.Signals) -> None:
    with pytest.raises(CancelledError):
        _outcome(b"", lambda: -number)


@pytest.mark.parametrize("status", [0, 1, -signal.SIGKILL, -signal.SIGSEGV])
def test_any_other_has(status: int) -> None:
    with pytest.raises(SandboxError, match="without a report"):
        _outcome(marshal.dumps(("exited", status)), pytest.fail)
