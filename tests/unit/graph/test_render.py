import json

from mkbuild.graph.render import render
from tests.support.workspace import graph_of

GRAPH = graph_of(
    {
        "BUILD.yaml": "version: 1\nimages:\n  base: {dockerfile: base, tags: [x/b]}\n"
        "  api: {dockerfile: api, depends_on: [base]}\n",
        "base": "FROM scratch\n",
        "api": "FROM base\nCOPY --from=base /a /b\n",
    }
)


def test_dot() -> None:
    assert render(GRAPH, "dot") == (
        "digraph targets {\n"
        "  rankdir=LR;\n"
        '  node [shape=box, fontname="sans-serif"];\n'
        '  "base";\n'
        '  "api" [style=dashed];\n'
        '  "api" -> "base" [style=solid, tooltip="FROM"];\n'
        '  "api" -> "base" [style=dashed, tooltip="COPY --from"];\n'
        '  "api" -> "base" [style=dotted, tooltip="depends_on"];\n'
        "}\n"
    )


def test_mermaid() -> None:
    assert render(GRAPH, "mermaid") == (
        "graph LR\n"
        '  t0["base"]\n'
        '  t1["api"]\n'
        "  t1 -->|FROM| t0\n"
        "  t1 -.->|COPY --from| t0\n"
        "  t1 -.->|depends_on| t0\n"
    )


def test_json() -> None:
    document = json.loads(render(GRAPH, "json"))
    assert [target["label"] for target in document["targets"]] == ["base", "api"]
    assert document["targets"][0] == {
        "label": "base",
        "location": "/w/BUILD.yaml:3:3",
        "kind": "published",
        "tags": ["x/b"],
        "platforms": [],
    }
    assert document["edges"][0] == {
        "source": "api",
        "target": "base",
        "kind": "FROM",
        "via": "name",
        "location": "api:1:1",
        "text": "FROM base",
        "name": "base",
        "platforms": ["linux/amd64"],
    }


def test_only_what_is_wanted() -> None:
    assert render(GRAPH, "mermaid", ["api"]) == 'graph LR\n  t0["api"]\n'
