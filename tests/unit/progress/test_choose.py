"""Which reporter one gets."""

import io

import pytest

from mkbuild.events import Reporter
from mkbuild.progress.choose import Mode, Streams, choose
from mkbuild.progress.jsonlines import JsonReporter
from mkbuild.progress.plain import PlainReporter
from mkbuild.progress.quiet import QuietReporter
from mkbuild.progress.tty import TerminalReporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def pick(mode: Mode, err: io.StringIO, env: dict[str, str]) -> Reporter:
    return choose(mode, Streams(io.StringIO(), err), env, lambda: 0.0)


@pytest.mark.parametrize(
    ("mode", "err", "env", "kind"),
    [
        ("auto", Terminal(), {"TERM": "xterm"}, TerminalReporter),
        ("auto", Terminal(), {"TERM": "dumb"}, PlainReporter),
        ("auto", Terminal(), {"TERM": "xterm", "CI": "true"}, PlainReporter),
        ("auto", io.StringIO(), {"TERM": "xterm"}, PlainReporter),
        ("tty", io.StringIO(), {}, TerminalReporter),
        ("plain", Terminal(), {}, PlainReporter),
        ("json", Terminal(), {}, JsonReporter),
        ("quiet", Terminal(), {}, QuietReporter),
    ],
)
def test_choice(mode: Mode, err: io.StringIO, env: dict[str, str], kind: type) -> None:
    assert type(pick(mode, err, env)) is kind
