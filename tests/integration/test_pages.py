"""The pages in a real browser: nothing complains, nothing is fetched, all can be read."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from tests.support.browser import Browser, Scheme, browser
from tests.support.command import CLEAN, ROOT, Mkbuild, registries
from tests.support.looks import CONTRAST, OVERFLOW
from tests.support.workspace import wide_workspace

pytestmark = pytest.mark.browser

EVIL = "</title></script><script>document.title = 1<img src=http:x.invalid onerror=alert(1)>'\""
HOSTILE = f"""version: 1
images:
  base: {{context: {json.dumps(EVIL)}, tags: ['x.io/a:1']}}
  api: {{dockerfile_inline: "FROM base", tags: ["x.io/b:1"]}}
"""


def write(place: Path, texts: dict[str, str]) -> Path:
    for name, text in texts.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


def graph(place: Path, *args: str) -> Path:
    page = place / "graph.html"
    subprocess.run(
        [sys.executable, "-m", "mkbuild", "graph", "--format", "html", "--output", page, *args],
        cwd=place,
        env={**CLEAN, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return page


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("pages")
    shutil.copytree(ROOT / "examples" / "monorepo", place / "monorepo")
    hostile = {"BUILD.yaml": HOSTILE, f"{EVIL}/Dockerfile": "FROM scratch\n"}
    return {
        "monorepo": graph(place / "monorepo"),
        "thousand": graph(write(place / "thousand", wide_workspace(100, 10))),
        "hostile": graph(write(place / "hos<b>tile", hostile)),
    }


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


def check(chromium: Browser, page: Path, scheme: Scheme) -> None:
    """Look at a page: no complaint, no request, no poor contrast, nothing wider than its place."""
    chromium.show(page, 1400, scheme)
    assert chromium.problems() == []
    assert chromium.requests() == [page.as_uri()]
    chromium.run("document.querySelectorAll('details').forEach((part) => part.open = true)")
    count, poor = chromium.run(CONTRAST)
    assert count > 30
    assert poor == []
    for width in (360, 800, 1400):
        chromium.look(width, scheme)
        assert chromium.run(OVERFLOW) == []


@pytest.mark.parametrize("scheme", get_args(Scheme))
@pytest.mark.parametrize("name", ["monorepo", "hostile"])
def test_nothing_complains_nothing_is_fetched_and_all_can_be_read(
    chromium: Browser, pages: dict[str, Path], name: str, scheme: Scheme
) -> None:
    check(chromium, pages[name], scheme)


def test_a_policy_forbids_what_is_not_the_pages_own(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.show(pages["monorepo"])
    chromium.run(
        "const script = document.createElement('script');"
        "script.textContent = 'document.title = 1';"
        "document.body.append(script);"
        "const image = new Image(); image.src = 'https://example.invalid/x.png';"
        "document.body.append(image);"
    )
    problems = chromium.problems()
    assert len([line for line in problems if "Content Security Policy" in line]) == 2
    assert chromium.run("return document.title") == "monorepo · targets"


def test_hostile_names_are_text(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["hostile"])
    assert chromium.run("return document.title") == "hos<b>tile · targets"
    assert chromium.run("return document.querySelectorAll('img, b').length") == 0
    shown = chromium.run("return document.querySelector('#list').textContent")
    assert EVIL in shown


SHOWN = """return [...document.querySelectorAll(".scroll.main .node:not(.off) .label")]
  .map((label) => label.textContent).sort()"""
LISTED = """return [...document.querySelectorAll("#list .card:not([hidden]) .name")]
  .map((name) => name.textContent).sort()"""
TYPE = """const field = document.getElementById("filter");
field.value = arguments[0];
field.dispatchEvent(new Event("input"));"""


def test_the_filter_thins_out_graph_and_list(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["monorepo"])
    chromium.run(TYPE, "@services stats")
    chromium.wait("return document.getElementById('found').textContent === '1 of 5'")
    assert chromium.run(SHOWN) == chromium.run(LISTED) == ["stats"]
    chromium.run("document.getElementById('needs').click()")
    assert chromium.run(SHOWN) == chromium.run(LISTED) == ["base", "stats", "tool"]
    chromium.run("document.getElementById('needed').click()")
    assert chromium.run(SHOWN) == chromium.run(LISTED) == ["base", "report", "stats", "tool"]
    chromium.run(TYPE, "")
    chromium.wait("return document.getElementById('found').textContent === ''")
    assert chromium.run(SHOWN) == ["base", "report", "stats", "tool", "web"]


OVERLAPS = """const boxes = [...document.querySelectorAll(".scroll.main .node:not(.off) rect")]
  .map((rect) => rect.getBoundingClientRect());
return boxes.flatMap((one, at) => boxes.slice(at + 1).filter((two) =>
  one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom,
)).length
"""


def test_many_targets_begin_with_their_build_files(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.show(pages["thousand"], 360, "dark")
    assert chromium.problems() == []
    assert chromium.run(OVERFLOW) == []
    chromium.look(1400, "dark")
    assert pages["thousand"].stat().st_size < 3_000_000
    seen = "return getComputedStyle(document.querySelector('.scroll.main')).display !== 'none'"
    assert not chromium.run(seen)
    chromium.run(TYPE, "s041")
    chromium.wait(seen)
    found = chromium.run(SHOWN)
    assert len(found) == 10
    assert chromium.run(OVERLAPS) == 0
    chromium.run("document.getElementById('needs').click()")
    assert set(chromium.run(SHOWN)) > set(found)
    assert chromium.run(OVERLAPS) == 0
    chromium.run(TYPE, "")
    chromium.wait(f"return !(() => {{ {seen} }})()")


def test_a_click_shows_what_a_target_needs_and_why(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.show(pages["monorepo"])
    chromium.run(
        "const labels = [...document.querySelectorAll('.label')];"
        "const label = labels.find((label) => label.textContent === 'report');"
        "const click = new MouseEvent('click', {bubbles: true, cancelable: true});"
        "label.parentElement.dispatchEvent(click);"
    )
    detail = "return document.getElementById('detail').textContent"
    assert "report/Dockerfile:" in chromium.run(detail)
    assert "COPY --from=stats" in chromium.run(detail)
    chromium.run(
        "[...document.querySelectorAll('#detail button')].find((button) =>"
        " button.textContent.startsWith('Only')).click()"
    )
    assert chromium.run(SHOWN) == ["base", "report", "stats", "tool"]
    assert chromium.problems() == []


def test_without_scripts_graph_and_list_are_there(
    chromium: Browser, pages: dict[str, Path]
) -> None:
    chromium.scripts(allowed=False)
    try:
        chromium.show(pages["monorepo"])
        text = chromium.text()
        assert chromium.problems() == []
    finally:
        chromium.scripts(allowed=True)
    assert "Filter" not in text
    assert json.dumps(text).count("stats") >= 2


RUNS = {
    "BUILD.yaml": "version: 1\nimages:\n  base: {dockerfile: base}\n"
    "  good: {dockerfile: good, tags: [localhost/good:1]}\n  bad: {dockerfile: bad}\n",
    "base": "FROM busybox:stable\nRUN echo base > /base\n",
    "good": "FROM base\nRUN sleep 0.2; echo '</pre><b>' > /yes\nCOPY words /\nRUN cat /words\n",
    "words": "one\n",
    "bad": "FROM base\nRUN echo '<b>some</b> words'; exit 3\nRUN true\n",
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Build, find nothing to do, fail, build a change; returns the page of each run."""
    place = tmp_path_factory.mktemp("runs")
    mkbuild = Mkbuild(write(place / "work", RUNS), place / "store", registries(place))
    assert mkbuild.run("good").returncode == 0
    assert mkbuild.run("good").returncode == 0
    assert mkbuild.run("bad").returncode == 1
    (place / "work" / "words").write_text("two\n")
    assert mkbuild.run("good").returncode == 0
    mkbuild.registries = None
    found = {}
    for name, run in zip(
        ("built", "again", "failed", "changed"), ("-4", "-3", "-2", "latest"), strict=True
    ):
        found[name] = place / f"{name}.html"
        done = mkbuild.run("log", "--html", str(found[name]), run)
        assert done.returncode == 0, done.stderr
    return found


@pytest.mark.root
@pytest.mark.parametrize("scheme", get_args(Scheme))
@pytest.mark.parametrize("name", ["built", "again", "failed"])
def test_pages_of_runs(chromium: Browser, runs: dict[str, Path], name: str, scheme: Scheme) -> None:
    check(chromium, runs[name], scheme)


@pytest.mark.root
def test_the_layers_of_a_run_add_up(chromium: Browser, runs: dict[str, Path]) -> None:
    chromium.show(runs["built"])
    text = chromium.run("return document.querySelector('.card.image').textContent")
    assert "of the base" in text
    assert "written now" in text
    assert "COPY words / # buildkit" in text
    shares = chromium.run(
        "return [...document.querySelectorAll('.strip .part')]"
        ".map((part) => parseFloat(part.getAttribute('width')))"
    )
    assert len(shares) == 4
    assert abs(sum(shares) - 100) < 0.01


@pytest.mark.root
def test_steps_say_why_they_ran(chromium: Browser, runs: dict[str, Path]) -> None:
    def why(name: str) -> list[list[str]]:
        chromium.show(runs[name])
        found: list[list[str]] = chromium.run(
            "return [...document.querySelectorAll('#list .card')].map((card) => [...card"
            ".querySelectorAll('.chip, summary .name, .why')].map((part) => part.textContent))"
        )
        return found

    first = why("built")
    assert [parts[0] for parts in first] == ["● ran"] * 4
    assert {parts[2] for parts in first} == {
        "base was not built before",
        "good was not built before",
    }
    hits, (copy, run) = why("changed")[:2], why("changed")[2:]
    assert [parts[0] for parts in hits] == ["✓ hit-local"] * 2
    assert copy[2].startswith("words: sha256 ")
    assert run[2].startswith("follows from good:3:1 COPY words")


@pytest.mark.root
def test_a_bar_of_the_timeline_leads_to_its_step(chromium: Browser, runs: dict[str, Path]) -> None:
    chromium.show(runs["built"])
    before = chromium.run("return document.querySelector('.gantt').getBoundingClientRect().width")
    chromium.run("document.getElementById('longer').click()")
    after = chromium.run("return document.querySelector('.gantt').getBoundingClientRect().width")
    assert after > before
    chromium.run(
        "const bar = document.querySelector('.gantt a .bar-box.critical').closest('a');"
        "bar.dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}));"
    )
    assert chromium.run("return document.querySelectorAll('#list .card[open]').length") == 1
    assert chromium.problems() == []


@pytest.mark.root
def test_the_filter_knows_status_and_instruction(chromium: Browser, runs: dict[str, Path]) -> None:
    chromium.show(runs["failed"])
    chromium.run(TYPE, "failed")
    chromium.wait("return document.getElementById('found').textContent === '1 of 3'")
    assert chromium.run(LISTED) == ["RUN echo '<b>some</b> words'; exit 3"]
    output = chromium.run("return document.querySelector('.failure .output').textContent")
    assert output == "<b>some</b> words"
