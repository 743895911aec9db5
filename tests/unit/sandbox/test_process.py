"""What the end of a supervisor that reported nothing means."""

import marshal
import signal

import pytest

from mkbuild.errors import CancelledError, SandboxError
from mkbuild.sandbox.process import Runs, _outcome, run


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_that_was_interrupted_while_it_began_has_not_failed(number: signal.Signals) -> None:
    with pytest.raises(CancelledError):
        _outcome(b"", lambda: -number)


@pytest.mark.parametrize("status", [0, 1, -signal.SIGKILL, -signal.SIGSEGV])
def test_any_other_has(status: int) -> None:
    with pytest.raises(SandboxError, match="without a report"):
        _outcome(marshal.dumps(("exited", status)), pytest.fail)


def test_a_zygote_that_cannot_start_says_why(capfd: pytest.CaptureFixture[str]) -> None:
    runs = Runs("nowhere.main")
    with pytest.raises(SandboxError, match=r"without a report \(status 1\)"):
        run(runs, b"", lambda _fd, _data: None)
    assert "No module named 'mkbuild.sandbox.nowhere'" in capfd.readouterr().err
