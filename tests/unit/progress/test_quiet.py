"""Silence, and what breaks it."""

import io
from pathlib import Path

from mkbuild.progress.quiet import QuietReporter
from tests.support import builds


def test_only_warnings_of_a_good_build() -> None:
    stream = io.StringIO()
    reporter = QuietReporter(stream)
    for event in builds.good():
        reporter.emit(event)
    assert stream.getvalue() == "warning: cache is down\n"


def test_failures_in_full(tmp_path: Path) -> None:
    stream = io.StringIO()
    reporter = QuietReporter(stream)
    for event in builds.bad(tmp_path / "Dockerfile"):
        reporter.emit(event)
    assert stream.getvalue().startswith("FAILED api [final]: ")
    assert stream.getvalue().endswith("  | the end\n")
