"""How errors look."""

import errno
import io
from pathlib import Path

import pytest

from mkbuild.cli.errors import internal, of_the_machine, show
from mkbuild.engine.redact import redacted
from mkbuild.errors import BuildFileError, MkbuildError, PullError
from mkbuild.location import Location


def shown(error: MkbuildError, *, verbose: bool = False) -> str:
    stream = io.StringIO()
    show(error, stream, {}, verbose=verbose)
    return stream.getvalue()


def test_place_excerpt_and_hint(tmp_path: Path) -> None:
    file = tmp_path / "BUILD.yaml"
    file.write_text("version: 1\nimages:\n  a: {contxt: x}\n")
    error = BuildFileError(
        "'contxt' is unknown", location=Location(str(file), 3, 7), hint="context?"
    )
    assert shown(error) == (
        f"error: {file}:3:7: 'contxt' is unknown\n"
        "       1 | version: 1\n"
        "       2 | images:\n"
        "  >    3 |   a: {contxt: x}\n"
        "         |       ^\n"
        "  hint: context?\n"
    )


class Terminal(io.StringIO):
    """Says that it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_long_lines_broken_between_words() -> None:
    error = PullError("RUN " + "word " * 30 + "failed", hint="try " + "this " * 20)
    stream = Terminal()
    show(error, stream, {"COLUMNS": "60", "NO_COLOR": "1"}, verbose=False)
    lines = stream.getvalue().splitlines()
    assert all(len(line) <= 60 for line in lines)
    assert lines[0].startswith("error: RUN word ")
    assert lines[1].startswith("  word ")
    assert lines[-2].startswith("  hint: try this")
    assert lines[-1].startswith("    this ")
    assert " ".join(stream.getvalue().split()) == " ".join(shown(error).split())


def test_what_a_file_says_cannot_move_the_cursor() -> None:
    error = PullError("unknown instruction: \x1b[2J\x1b]0;title\x07RUN\x00", hint="a\x1b[31mb\nc")
    assert shown(error) == "error: unknown instruction: RUN\n  hint: ab\nc\n"


def test_more_only_where_verbose() -> None:
    error = PullError("cannot pull x", hint="try", more=("one", "two"))
    assert shown(error) == "error: cannot pull x\n  hint: try\n"
    assert shown(error, verbose=True) == "error: cannot pull x\none\ntwo\n  hint: try\n"


def test_causes_only_where_verbose() -> None:
    error = PullError("cannot pull x")
    error.__cause__ = OSError("refused")
    assert shown(error) == "error: cannot pull x\n"
    assert shown(error, verbose=True).endswith("  because of OSError: refused\n")


def test_what_the_machine_refuses_is_no_bug() -> None:
    told = of_the_machine(OSError(errno.ENOSPC, "No space left on device", "/disk"))
    assert told is not None
    assert shown(told) == (
        "error: /disk: No space left on device\n"
        "  hint: mkbuild cache gc removes old results; --storage and TMPDIR name another disk\n"
    )
    stream = of_the_machine(OSError(errno.ENOSPC, "No space left on device"))
    assert stream is not None
    assert shown(stream) == "error: No space left on device\n"
    assert of_the_machine(OSError(errno.ENOENT, "No such file or directory")) is None
    assert of_the_machine(ValueError("ours")) is None


def test_an_internal_error_names_its_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    stream = io.StringIO()
    internal(ValueError("boom"), ["build", "--redis-cache-password", "hunter2"], stream)
    (trace,) = tmp_path.glob("mkbuild/trace-*.txt")
    assert str(trace) in stream.getvalue()
    assert "Please report" in stream.getvalue()
    assert "ValueError: boom" in trace.read_text()
    assert "hunter2" not in trace.read_text()


def test_redacted() -> None:
    given = ["--build-arg", "A=1", "x", "--http-cache-header=a:b", "--build-arg"]
    assert redacted(given) == ["--build-arg", "***", "x", "--http-cache-header=***", "--build-arg"]


def test_a_trace_that_cannot_be_kept_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    stream = io.StringIO()
    internal(ValueError("odd"), ["mkbuild", "all"], stream)
    assert "ValueError: odd" in stream.getvalue()
    assert stream.getvalue().endswith("with the trace above\n")
