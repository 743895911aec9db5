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
    "  an-image-with-quite-a-long-name-as-they-are-in-monorepos:\n"
    "    {context: good, tags: [localhost:5000/an-image-with-quite-a-long-name-as-they-are-in-"
    "monorepos-tag]}\n"
    "  bad: {context: bad}\n"
    "  top: {context: top}\n",
    "top/Dockerfile": "FROM an-image-with-quite-a-long-name-as-they-are-in-monorepos\n",
    "good/Dockerfile": f"FROM busybox:stable\nRUN echo {LONG}; sleep 0.5; echo {LONG} > /x\n",
    "bad/Dockerfile": f"FROM busybox:stable\nRUN echo {LONG}; sleep 0.2; exit 3 # {LONG}\n",
}
GOOD = "an-image-with-quite-a-long-name-as-they-are-in-monorepos"
ESCAPE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])")
COLOURS = {*range(30, 50), *range(90, 108)}


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    work = write(tmp_path / "work", FILES)
    # not as a flag: not every verb asks registries
    known = {"MKBUILD_REGISTRIES": str(registries(tmp_path))}
    return Mkbuild(work, tmp_path / "store", environment=known)


def on_a_screen(mkbuild: Mkbuild, *args: str, **env: str) -> str:
    """Return all that a command writes to a terminal."""
    with Screen(mkbuild.command(*args), mkbuild.directory, mkbuild.env | env, COLUMNS) as screen:
        return screen.rest()


def colours(shown: str) -> set[int]:
    """Return the codes of colours that were switched on."""
    codes = [text for text, final in ESCAPE.findall(shown) if final == "m"]
    return {int(code) for text in codes for code in text.split(";") if code} & COLOURS


def too_wide(shown: str, columns: int = COLUMNS) -> list[str]:
    """Return the lines that a terminal would break; what a step printed is shown whole."""
    lines = re.split(r"[\r\n]+", ESCAPE.sub("", shown))
    return [line for line in lines if len(line) > columns and not line.startswith("  | ")]


@pytest.mark.parametrize(
    "args",
    [
        ("build", GOOD),
        ("plan", "all"),
        ("list",),
        ("graph",),
        ("build", "all"),
        ("verify", GOOD),
        ("log", "what-ran"),
    ],
)
def test_no_line_is_wider_than_the_terminal(mkbuild: Mkbuild, args: tuple[str, ...]) -> None:
    if args[0] == "log":
        mkbuild.run("build", "all")
    shown = on_a_screen(mkbuild, *args)
    assert "an-image-with" in shown
    assert too_wide(shown) == []


@pytest.mark.parametrize("args", [("plan", "all"), ("list",), ("graph",), ("log",)])
def test_nor_where_it_is_narrow(mkbuild: Mkbuild, args: tuple[str, ...]) -> None:
    mkbuild.run("build", "bad")
    shown = on_a_screen(mkbuild, *args, COLUMNS="64")
    assert "bad" in shown
    assert [line for line in too_wide(shown, 64) if GOOD not in line] == []


@pytest.mark.parametrize("args", [("list",), ("graph",)])
def test_a_pipe_gets_listings_whole(mkbuild: Mkbuild, args: tuple[str, ...]) -> None:
    shown = mkbuild.run(*args).stdout
    assert (f"{GOOD}-tag" if args == ("list",) else f"needs {GOOD}: ") in shown


@pytest.mark.parametrize("args", [("plan", "all"), ("build", "all"), ("why", "bad")])
def test_it_says_that_it_plans_until_there_is_more_to_say(
    mkbuild: Mkbuild, args: tuple[str, ...]
) -> None:
    shown = on_a_screen(mkbuild, *args, NO_COLOR="1")
    assert "planning .." in shown
    assert not re.search(r"planning \.\.(?!\r\x1b\[K)", shown), "it is erased, not written over"


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
