import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import BuildFileError, SelectionError
from mkbuild.graph.select import parse, select
from mkbuild.graph.targets import TargetGraph
from tests.support.workspace import graph_of, load_texts

TEXTS = {
    "BUILD.yaml": """\
version: 1
include: [lib/BUILD.yaml, lib/deep/BUILD.yaml]
images:
  base: {dockerfile: base}
  api: {dockerfile: api, groups: [backend]}
  worker: {dockerfile: api, groups: [backend]}
  web: {dockerfile: web}
groups:
  default: [api, web]
  most: ["@backend", web, "!worker"]
  rest: ["!@backend"]
  down: [base..., "...//lib:tool"]
""",
    "lib/BUILD.yaml": "version: 1\nimages: {tool: {dockerfile: scratch}, web: {dockerfile: web}}\n"
    "groups: {libs: [web, tool]}\n",
    "lib/deep/BUILD.yaml": "version: 1\nimages: {x-1: {dockerfile: scratch}}\n",
    "base": "FROM scratch\nCOPY --from=tool / /\n",
    "api": "FROM base\n",
    "web": "FROM scratch\n",
    "lib/scratch": "FROM scratch\n",
    "lib/web": "FROM scratch\n",
    "lib/deep/scratch": "FROM scratch\n",
}
WORKSPACE = load_texts(TEXTS)
GRAPH = graph_of(TEXTS)
ALL = ["base", "api", "worker", "web", "//lib:tool", "//lib:web", "//lib/deep:x-1"]


def no_graph() -> TargetGraph:
    message = "the graph was asked for"
    raise AssertionError(message)


def chosen(*texts: str) -> list[str]:
    return list(select(texts, WORKSPACE, lambda: GRAPH))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ("", ["api", "web"]),
        ("all", ALL),
        ("api", ["api"]),
        ("web api", ["api", "web"]),
        ("tool", ["//lib:tool"]),
        ("//lib:web", ["//lib:web"]),
        ("//:web", ["web"]),
        ("w*", ["worker", "web", "//lib:web"]),
        ("?pi", ["api"]),
        ("//lib:*", ["//lib:tool", "//lib:web"]),
        ("//lib*", ["//lib:tool", "//lib:web", "//lib/deep:x-1"]),
        ("//lib/...", ["//lib:tool", "//lib:web", "//lib/deep:x-1"]),
        ("//lib/deep/...", ["//lib/deep:x-1"]),
        ("//...", ALL),
        ("@backend", ["api", "worker"]),
        ("@most", ["api", "web"]),
        ("@rest", ["base", "web", "//lib:tool", "//lib:web", "//lib/deep:x-1"]),
        ("@libs", ["//lib:tool", "//lib:web"]),
        ("@down", ["base", "api", "worker", "//lib:tool"]),
        ("api...", ["base", "api", "//lib:tool"]),
        ("...base", ["base", "api", "worker"]),
        ("...base...", ["base", "api", "worker", "//lib:tool"]),
        ("...@libs", ["base", "api", "worker", "//lib:tool", "//lib:web"]),
        ("all !@backend !//lib/...", ["base", "web"]),
        ("!base !//...", None),
        ("!w* !//lib/...", ["base", "api"]),
        ("!api api", None),
        ("all !x* !*nothing*", ["base", "api", "worker", "web", "//lib:tool", "//lib:web"]),
    ],
)
def test_select(texts: str, expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(SelectionError, match="no target is left"):
            chosen(*texts.split())
    else:
        assert chosen(*texts.split()) == expected


def test_the_graph_is_inferred_only_where_it_is_needed() -> None:
    assert select(["w*", "@most", "//lib/..."], WORKSPACE, no_graph)
    with pytest.raises(AssertionError):
        select(["api..."], WORKSPACE, no_graph)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("apo", "there is no target 'apo'", "did you mean 'api'?"),
        ("backend", "there is no target 'backend'", "it is a group: write '@backend'"),
        ("!apo", "there is no target 'apo'", "did you mean 'api'?"),
        ("@backnd", "there is no group 'backnd'", "did you mean 'backend'?"),
        ("z*", "'z*' matches no target", "mkbuild list shows the targets"),
        ("//lob/...", "'//lob/...' matches no target", "did you mean '//lib/...'?"),
        ("//lib:wbe", "there is no target '//lib:wbe'", "did you mean '//lib:web'?"),
        ("!", "'!' is not a selection", None),
        ("@", "'@' is not a selection", None),
        ("...", "'...' is not a selection", None),
        ("!!api", "'!!api' is not a selection", None),
    ],
)
def test_what_there_is_not(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(SelectionError) as raised:
        chosen(text)
    assert raised.value.message == message
    assert raised.value.exit_code == 4
    assert hint is None or raised.value.hint == hint


def test_an_ambiguous_name() -> None:
    texts = {
        "BUILD.yaml": "version: 1\ninclude: ['*/BUILD.yaml']\n",
        "a/BUILD.yaml": "version: 1\nimages: {t: {}}\n",
        "b/BUILD.yaml": "version: 1\nimages: {t: {}}\n",
    }
    with pytest.raises(SelectionError, match="'t' may be any of //a:t, //b:t"):
        select(["t"], load_texts(texts), no_graph)


@pytest.mark.parametrize(
    ("groups", "message", "place"),
    [
        ("{g: [a, apu]}", "groups.g: there is no target 'apu'", "3:17"),
        ("{g: ['@h'], h: ['@g']}", "groups that hold each other: @g → @h → @g", "3:14"),
        ("{g: ['@x']}", "groups.g: there is no group 'x'", "3:14"),
    ],
)
def test_a_group_that_is_wrong_is_the_build_files_fault(
    groups: str, message: str, place: str
) -> None:
    workspace = load_texts(f"version: 1\nimages: {{a: {{}}, api: {{}}}}\ngroups: {groups}\n")
    with pytest.raises(BuildFileError) as raised:
        select(["@g"], workspace, no_graph)
    assert raised.value.message == message
    assert str(raised.value.location) == f"/w/BUILD.yaml:{place}"
    assert raised.value.exit_code == 2


def test_without_a_default_group_everything_is_meant() -> None:
    workspace = load_texts("version: 1\nimages: {a: {}, b: {}}\n")
    assert select([], workspace, no_graph) == ("a", "b")


def test_a_workspace_without_targets() -> None:
    with pytest.raises(SelectionError, match="there are no targets"):
        select([], load_texts("version: 1\n"), no_graph)


TERMS = st.sampled_from(
    ["api", "w*", "@most", "@backend", "//lib/...", "api...", "...base", "all", "//lib:web"]
)


@given(st.lists(TERMS, min_size=1), st.lists(TERMS))
def test_excludes_win_wherever_they_stand(wanted: list[str], unwanted: list[str]) -> None:
    def labels(texts: list[str]) -> set[str]:
        try:
            return set(chosen(*texts))
        except SelectionError:
            return set()

    excludes = [f"!{text}" for text in unwanted]
    expected = labels(wanted) - (labels(unwanted) if unwanted else set())
    assert labels([*excludes, *wanted]) == labels([*wanted, *excludes]) == expected


@given(st.text(alphabet="!.@/:*ab", min_size=1))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        term = parse(text)
    except SelectionError:
        return
    assert term.core in text
