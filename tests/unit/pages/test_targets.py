import re

from mkbuild.buildfile.target import Target
from mkbuild.graph.targets import TargetGraph
from mkbuild.pages.subject import Subject
from mkbuild.pages.targetgraph import MANY
from mkbuild.pages.targets import target_page
from tests.support.html import check_links, read
from tests.support.workspace import graph_of, wide_workspace

GRAPH = graph_of(
    {
        "BUILD.yaml": "version: 1\nimages:\n"
        "  base: {dockerfile: base, tags: [x/b], platforms: [linux/amd64, linux/arm64]}\n"
        "  api: {dockerfile: api, depends_on: [base], args: {B: base}}\n"
        "  alone: {dockerfile: alone}\n",
        "base": "FROM debian:12\n",
        "api": "ARG B\nFROM $B\nCOPY --from=base /a /b\n",
        "alone": "FROM scratch\n",
    }
)


def subject(graph: TargetGraph, labels: set[str]) -> Subject:
    def dockerfile(target: Target) -> tuple[str, int]:
        return target.dockerfile.removeprefix("/w/"), 1

    return Subject(graph, labels, "w", lambda file: file.removeprefix("/w/"), dockerfile)


def test_targets_and_the_proof_of_each_edge() -> None:
    text = read(target_page(subject(GRAPH, {"base", "api", "alone"}))).text
    assert "3 targets · 1 edge · 1 build file · 1 from outside" in text
    assert "1 stage · amd64, arm64 · 1 tag" in text
    assert "api:2:1: FROM $B (expands to base)" in text
    assert "api:3:1: COPY --from=base" in text
    assert "BUILD.yaml:4:3: depends_on: base" in text
    assert "base:1:1: FROM debian:12" in text
    assert "/w/" not in text


def test_only_what_is_selected() -> None:
    page = target_page(subject(GRAPH, {"alone"}))
    assert "1 target · 0 edges" in read(page).text
    assert "api" not in read(page).text
    assert target_page(subject(GRAPH, set())).count('class="node') == 0


def test_the_line_of_an_edge_has_its_strongest_kind() -> None:
    page = target_page(subject(GRAPH, {"base", "api"}))
    (line,) = re.findall(r'<path class="line (\w+)" [^>]*data-t="0"', page)
    assert line == "from"


def test_every_link_in_a_page_leads_somewhere() -> None:
    page = target_page(subject(GRAPH, {"base", "api", "alone"}))
    check_links(page)


def test_many_targets_are_drawn_by_build_file_too() -> None:
    graph = graph_of(wide_workspace(20, 10))
    assert len(graph.targets) > MANY
    page = target_page(subject(graph, set(graph.targets)))
    assert page.count('class="node file"') == 21
    assert page.count('class="node published"') + page.count('class="node internal"') == 202
    check_links(page)
