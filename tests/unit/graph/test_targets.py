import pytest

from mkbuild.errors import CycleError, DockerfileError
from mkbuild.graph.targets import infer
from mkbuild.oci.model import Platform
from tests.support.workspace import TextDockerfiles, graph_of, large_workspace, load_texts


def workspace(dockerfiles: dict[str, str], extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return texts: one image for each Dockerfile, with further settings by name."""
    lines = "".join(
        f"  {name}: {{context: {name}, {(extra or {}).get(name, '')}}}\n" for name in dockerfiles
    )
    texts = {f"{name}/Dockerfile": text for name, text in dockerfiles.items()}
    return {"BUILD.yaml": f"version: 1\nimages:\n{lines}", **texts}


def pairs(texts: dict[str, str]) -> list[tuple[str, str, str, str]]:
    return [(e.source, e.target, e.kind, e.via) for e in graph_of(texts).edges()]


def test_edges_by_name_tag_context_and_order() -> None:
    texts = workspace(
        {
            "base": "FROM debian\n",
            "gen": "FROM scratch\n",
            "tool": "FROM base\n",
            "api": "ARG B=base\nFROM $B\nCOPY --from=ghcr.io/acme/gen:1 / /\n"
            "RUN --mount=from=kit,target=/k true\n",
        },
        {
            "gen": "tags: ['ghcr.io/acme/gen:1']",
            "api": "contexts: {kit: 'target:tool'}, depends_on: [gen]",
        },
    )
    graph = graph_of(texts)
    assert [(e.source, e.target, e.kind, e.via) for e in graph.edges()] == [
        ("tool", "base", "FROM", "name"),
        ("api", "base", "FROM", "name"),
        ("api", "gen", "COPY --from", "tag"),
        ("api", "tool", "RUN --mount", "context"),
        ("api", "gen", "depends_on", "depends_on"),
    ]
    assert [str(edge) for edge in graph.why_edge("api", "gen")] == [
        "api/Dockerfile:3:1: COPY --from=ghcr.io/acme/gen:1 (a tag of gen)",
        "/w/BUILD.yaml:6:3: depends_on: gen",
    ]
    assert str(graph.why_edge("api", "base")[0]) == (
        "api/Dockerfile:2:1: FROM $B (expands to base)"
    )
    assert str(graph.why_edge("api", "tool")[0]).endswith("(contexts: kit: target:tool)")
    assert graph.why_edge("base", "api") == ()
    assert [outside.name for outside in graph.outsides["base"]] == ["debian"]


def test_order_waves_and_reach() -> None:
    texts = workspace(
        {
            "d": "FROM b\nCOPY --from=c / /\n",
            "c": "FROM a\n",
            "b": "FROM a\n",
            "a": "FROM scratch\n",
            "lone": "FROM scratch\n",
        }
    )
    graph = graph_of(texts)
    order = graph.order()
    assert sorted(order) == ["a", "b", "c", "d", "lone"]
    assert order.index("a") < order.index("b") < order.index("d")
    assert [sorted(wave) for wave in graph.waves()] == [["a", "lone"], ["b", "c"], ["d"]]
    assert [sorted(wave) for wave in graph.waves(["a", "d"])] == [["a"], ["d"]]
    assert graph.dependencies(["c"]) == {"a", "c"}
    assert graph.dependents(["c"]) == {"c", "d"}
    assert graph.dependencies(["d"], depth=1) == {"b", "c", "d"}
    assert graph.dependencies(["d"], depth=0) == {"d"}
    assert graph.needs("d") == ("b", "c")
    assert set(graph.needed_by("a")) == {"b", "c"}
    assert graph.some_path("d", "a") in {("d", "b", "a"), ("d", "c", "a")}
    assert graph.some_path("a", "d") == ()


def test_edges_differ_by_platform() -> None:
    texts = workspace(
        {
            "b-amd64": "FROM scratch\n",
            "b-arm64": "FROM scratch\n",
            "t": "FROM b-$TARGETARCH\nCOPY --from=b-amd64 / /\n",
        },
        {"t": "platforms: [linux/amd64, linux/arm64]"},
    )
    edges = [(e.target, e.kind, e.platforms) for e in graph_of(texts).edges()]
    assert edges == [
        ("b-amd64", "FROM", ("linux/amd64",)),
        ("b-amd64", "COPY --from", ("linux/amd64", "linux/arm64")),
        ("b-arm64", "FROM", ("linux/arm64",)),
    ]


def test_the_build_files_args_decide() -> None:
    texts = workspace(
        {"a": "FROM scratch\n", "b": "FROM scratch\n", "t": "ARG B=a\nFROM $B\n"},
        {"t": "args: {B: b}"},
    )
    assert pairs(texts) == [("t", "b", "FROM", "name")]


def test_a_target_never_means_itself() -> None:
    texts = workspace({"debian": "FROM debian\n"}, {"debian": "tags: [debian]"})
    graph = graph_of(texts)
    assert graph.edges() == []
    assert [outside.name for outside in graph.outsides["debian"]] == ["debian"]


@pytest.mark.parametrize(
    "name", ["docker.io/library/base", "base:latest", "base@sha256:" + "a" * 64]
)
def test_a_full_name_is_an_image_from_outside(name: str) -> None:
    assert pairs(workspace({"base": "FROM scratch\n", "t": f"FROM {name}\n"})) == []


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("acme/base", "acme/base:latest"),
        ("acme/base:latest", "acme/base"),
        ("docker.io/acme/base:1", "acme/base:1"),
        ("localhost:5000/base:1", "localhost:5000/base:1"),
    ],
)
def test_tags_are_compared_in_full(tag: str, name: str) -> None:
    texts = workspace({"b": "FROM scratch\n", "t": f"FROM {name}\n"}, {"b": f"tags: ['{tag}']"})
    assert pairs(texts) == [("t", "b", "FROM", "tag")]


def test_names_of_the_same_directory_come_first() -> None:
    texts = {
        "BUILD.yaml": "version: 1\ninclude: [d/BUILD.yaml]\nimages: {base: {}}\n",
        "d/BUILD.yaml": "version: 1\nimages: {base: {dockerfile: B}, t: {}, u: {dockerfile: U}}\n",
        "Dockerfile": "FROM scratch\n",
        "d/B": "FROM scratch\n",
        "d/Dockerfile": "FROM base\n",
        "d/U": "FROM //d:t\n",
    }
    assert [(e.source, e.target) for e in graph_of(texts).edges()] == [
        ("//d:t", "//d:base"),
        ("//d:u", "//d:t"),
    ]


def test_a_cycle_prints_every_edge() -> None:
    texts = workspace(
        {
            "a": "FROM scratch\nCOPY --from=b / /\n",
            "b": "ARG C=c\nFROM $C\n",
            "c": "FROM scratch\nRUN --mount=from=a,target=/a true\n",
            "d": "FROM a\n",
        }
    )
    with pytest.raises(CycleError) as raised:
        graph_of(texts)
    first, *lines = raised.value.message.splitlines()
    path = first.removeprefix("targets that need each other: ").split(" → ")
    assert path[0] == path[-1]
    assert sorted(path[1:]) == ["a", "b", "c"]
    assert sorted(lines) == [
        "  a needs b: a/Dockerfile:2:1: COPY --from=b",
        "  b needs c: b/Dockerfile:2:1: FROM $C (expands to c)",
        "  c needs a: c/Dockerfile:2:1: RUN --mount=from=a,target=/a",
    ]
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("dockerfile", "message", "hint"),
    [
        ("FROM Bse\n", "'Bse' is neither a stage, a context, a target nor an image", "'base'"),
        ("FROM QQQ\n", "'QQQ' is neither", "contexts: {'QQQ': …}"),
    ],
)
def test_what_means_nothing_offers_a_context(dockerfile: str, message: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as raised:
        graph_of(workspace({"base": "FROM scratch\n", "t": dockerfile}))
    assert message in raised.value.message
    assert raised.value.hint is not None
    assert hint in raised.value.hint
    assert raised.value.location is not None
    assert raised.value.location.file == "t/Dockerfile"


def test_an_ambiguous_tag_offers_contexts() -> None:
    texts = workspace(
        {"a": "FROM scratch\n", "b": "FROM scratch\n", "t": "FROM x/y\n"},
        {"a": "tags: [x/y]", "b": "tags: [x/y]"},
    )
    with pytest.raises(DockerfileError, match="'x/y' is the tag of several targets: a, b"):
        graph_of(texts)


def test_onbuild_of_a_base_target_reaches_its_users() -> None:
    texts = workspace(
        {
            "tool": "FROM scratch\n",
            "kit": "FROM scratch\n",
            "base": "FROM scratch\nONBUILD COPY --from=tool / /t\nONBUILD COPY --from=own / /o\n",
            "app": "FROM kit AS own\nFROM debian AS unused\nFROM base\n",
            "leaf": "FROM app\n",
        }
    )
    assert [(e.source, e.target, e.kind, str(e.location)) for e in graph_of(texts).edges()] == [
        ("app", "kit", "FROM", "app/Dockerfile:1:1"),
        ("app", "base", "FROM", "app/Dockerfile:3:1"),
        ("app", "tool", "COPY --from", "app/Dockerfile:3:1"),
        ("leaf", "app", "FROM", "leaf/Dockerfile:1:1"),
    ]


def test_only_what_is_wanted_is_read() -> None:
    texts = workspace(
        {"a": "FROM scratch\n", "b": "FROM a\n", "broken": "NONSENSE\n", "c": "FROM b\n"}
    )
    read = TextDockerfiles(texts)
    graph = infer(load_texts(texts), read, Platform(), ["b"])
    assert list(graph.targets) == ["a", "b"]
    assert sorted(read.read) == ["a", "b"]


def test_a_dockerfile_that_is_not_there_yet_has_no_edges() -> None:
    text = "version: 1\nimages: {g: {context: 'https://x/r.git', depends_on: [a]}, a: {}}\n"
    graph = infer(load_texts(text), lambda _: None, Platform())
    assert [(edge.source, edge.target) for edge in graph.edges()] == [("g", "a")]


def test_a_thousand_targets_are_read_once_each() -> None:
    texts = large_workspace(files=100, targets=10)
    read = TextDockerfiles(texts)
    graph = infer(load_texts(texts, git={"sha": "x"}), read, Platform())
    assert len(read.read) == len(set(read.read)) == 1000
    assert len(graph.edges()) == 999
    assert len(graph.waves()) == 1000
    assert len(graph.dependencies(["//services/s099:t099-9"])) == 1000
