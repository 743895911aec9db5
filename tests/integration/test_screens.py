"""What a build shows on a terminal of 80 columns, without colour, and in a pipe."""

import re
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries
from tests.support.computer import write
from tests.support.screen import Screen

pytestmark = pytest.mark.root

COLUMNS = 80
LONG = " ".join(f"word-{number}" for number in range(60))
FILES = {
    "BUILD.yaml": "version: 1\nimages:\n"
    "  an-image-with-quite-a-long-name-as-they-are-in-monorepos: {context: good}\n"
    "  bad: {context: bad}\n",
    "good/Dockerfile": f"FROM busybox:stable\nRUN echo {LONG}; sleep 0.5; echo {LONG} > /x\n",
    "bad/Dockerfile": f"FROM busybox:stable\nRUN echo {LONG}; sleep 0.2; exit 3 # {LONG}\n",
}
GOOD = "an-image-with-quite-a-long-name-as-they-are-in-monorepos"
ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
COLOURS = {*range(30, 50), *range(90, 108)}


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    work = write(tmp_path / "work", FILES)
    return Mkbuild(work, tmp_path / "store", registries(tmp_path))


def on_a_screen(mkbuild: Mkbuild, *args: str, **env: str) -> str:
    """Return all that a command writes to a terminal."""
    with Screen(mkbuild.command(*args), mkbuild.directory, mkbuild.env | env, COLUMNS) as screen:
        return screen.rest()


def colours(shown: str) -> set[int]:
    """Return the codes of colours that were switched on."""
    codes = [text for text, final in ESCAPE.findall(shown) if final == "m"]
    return {int(code) for text in codes for code in text.split(";") if code} & COLOURS


def too_wide(shown: str) -> list[str]:
    """Return the lines that a terminal would break."""
    plain = ESCAPE.sub("", shown)
    return [line for line in re.split(r"[\r\n]+", plain) if len(line) > COLUMNS]


@pytest.mark.parametrize("args", [("build", GOOD), ("plan", "all"), ("list",)])
def test_no_line_is_wider_than_the_terminal(mkbuild: Mkbuild, args: tuple[str, ...]) -> None:
    shown = on_a_screen(mkbuild, *args)
    assert "an-image-with" in shown
    assert too_wide(shown) == []


def test_colour_is_for_terminals_that_want_it(mkbuild: Mkbuild) -> None:
    assert colours(on_a_screen(mkbuild, "build", "bad")) != set()
    assert colours(on_a_screen(mkbuild, "build", "all", NO_COLOR="1")) == set()


@pytest.mark.parametrize("target", [GOOD, "bad"])
def test_a_pipe_gets_no_escape_codes(mkbuild: Mkbuild, target: str) -> None:
    for verb in (("build", "-B"), ("plan",), ("list",), ("why",), ("log",)):
        selection = () if verb == ("log",) else (target,)
        done = mkbuild.run(*verb, *selection)
        assert "\x1b" not in done.stdout + done.stderr
        assert done.stdout + done.stderr != ""
