from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.pages.markup import visible
from mkbuild.pages.run import run_page
from mkbuild.pages.story import Story
from tests.support import runs
from tests.support.html import check_links, read


def story(document: dict[str, Any] | None = None, **more: Any) -> Story:
    return Story("20231114T221320.000-7", 10.0, document or runs.document(), **more)


def test_a_run() -> None:
    document = runs.document()
    document["steps"]["k1"]["why"] = "services/api/Makefile: sha256 a1… → b2…"
    page = run_page(story(document))
    check_links(page)
    text = read(page).text
    assert "base, api ✓ built" in text
    assert "2023-11-14 22:13:20 UTC" in text
    assert "git 0123456789ab with changes" in text
    assert "/work $ mkbuild all" in text
    assert "services/api/Makefile: sha256 a1… → b2…" in text
    assert "its result was in redis cache:6379" in text
    assert "example.com/acme/api:1" in text


def test_the_critical_path_is_marked_by_more_than_colour() -> None:
    found = read(run_page(story()))
    bars = [
        given["class"] or "" for tag, given in found.tags if "bar-box" in (given.get("class") or "")
    ]
    assert len([names for names in bars if "critical" in names.split()]) == found.text.count("◆")
    assert [names.split()[1] for names in bars if "critical" not in names.split()] == [
        "phase",
        "ran",
        "transfer",
    ]


def test_layers_with_their_sizes() -> None:
    text = read(run_page(story())).text
    assert "2 layers, 1.0 kB" in text
    assert "1.0 kBof the baseba5e00000000ADD rootfs.tar /" in text
    assert "9 Bwritten now0123456789abCOPY a / # buildkit" in text


def test_a_failed_run_shows_what_the_step_printed() -> None:
    page = run_page(story(runs.document(ok=False)))
    check_links(page)
    text = read(page).text
    assert "api/Dockerfile:6:1: ended with exit status 2" in text
    assert "100% done, nearly\n```\n⟨U+000B⟩ and ⟨U+D800⟩" in text
    assert "● ran" in text
    assert "✗ failed" in text


def test_a_run_that_failed_before_any_step() -> None:
    document = runs.document(ok=False) | {
        "error": "no such image: x",
        "place": "api/Dockerfile:1:1",
        **{name: [] for name in ("layers", "transfers", "phases")},
        **{name: {} for name in ("steps", "order", "targets")},
    }
    page = run_page(story(document))
    check_links(page)
    assert "api/Dockerfile:1:1: no such image: x" in read(page).text
    assert "Nothing was planned" in read(page).text


def test_a_run_that_was_interrupted_is_stopped() -> None:
    text = read(run_page(story(runs.document() | {"ok": False, "error": "interrupted"}))).text
    assert "base, api ○ stopped" in text
    assert "What failed" not in text


def test_a_run_that_had_nothing_to_do_took_nothing() -> None:
    page = run_page(story(again=True))
    check_links(page)
    text = read(page).text
    assert "an earlier run's result still stood" in text
    assert "● ran" not in text
    assert "git " not in text
    assert "Timeline" not in text
    assert "Pushed" not in text


def test_many_steps_are_drawn_by_target_first() -> None:
    document = runs.document()
    document["steps"] |= {
        f"m{at}": runs.step("api", f"RUN {at}", "api/Dockerfile:9:1", 0.0, 0.1) for at in range(200)
    }
    page = run_page(story(document))
    check_links(page)
    shown = [given for tag, given in read(page).tags if given.get("type") == "radio"]
    assert [(given["id"], "checked" in given) for given in shown] == [
        ("show-overview", True),
        ("show-main", False),
    ]
    document["steps"] |= {
        f"n{at}": runs.step("api", f"RUN {at}", "api/Dockerfile:9:1", 0.0, 0.1)
        for at in range(2000)
    }
    page = run_page(story(document))
    check_links(page)
    assert not [given for tag, given in read(page).tags if given.get("type") == "radio"]
    assert page.count('class="node') == 2


@pytest.mark.parametrize("length", [0.0, 1e-6, 0.04, 1.0, 59.0, 100_000.0])
def test_any_duration_has_a_few_round_times(length: float) -> None:
    document = runs.document() | {"seconds": length, "layers": [], "transfers": [], "phases": []}
    for step in document["steps"].values():
        step |= {"begin": 0.0, "seconds": length}
    found = read(run_page(story(document)))
    ticks = [given for tag, given in found.tags if given.get("class") == "tick"]
    assert 8 <= len(ticks) <= 17


@settings(max_examples=25)
@given(st.text(st.characters(exclude_characters=",\n\r")).map("x{}x".format))
def test_hostile_texts_change_no_tag_of_a_page(evil: str) -> None:
    def made(word: str) -> str:
        document = runs.document(ok=False)
        document |= {"error": word, "directory": word, "arguments": [word], "wanted": [word, "api"]}
        for step in document["steps"].values():
            step |= {"instruction": f"RUN {word}", "location": word, "stage": word}
            step |= {"target": word, "why": word}
        document["steps"]["k3"]["output"] = [word]
        document["targets"] = {word: {**document["targets"]["base"], "image.name": word}}
        return run_page(story(document))

    page = made(evil)
    assert [tag for tag, _ in read(page).tags] == [tag for tag, _ in read(made("calm")).tags]
    assert visible(" ".join(evil.split())) in " ".join(read(page).text.split())
