import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import MkbuildError, SelectionError, UsageError
from mkbuild.graph.query import run
from tests.support.workspace import graph_of, load_texts

TEXTS = {
    "BUILD.yaml": """\
version: 1
images:
  base: {dockerfile: base, publish: false, tags: [x/base]}
  tool: {dockerfile: base, args: {V: "1.2"}}
  api: {dockerfile: api, tags: [x/api], secrets: [{id: s, env: E}]}
  api-dev: {dockerfile: dev, commit: explicit}
  lone: {dockerfile: base, labels: {a: b}, pull: never}
groups: {g: [api, tool]}
""",
    "base": "FROM scratch\n",
    "api": "FROM base\nCOPY --from=tool / /\n",
    "dev": "FROM api\n",
}
WORKSPACE = load_texts(TEXTS)
GRAPH = graph_of(TEXTS)


def ask(text: str) -> str:
    return " ".join(run(text, WORKSPACE, GRAPH))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api", "api"),
        ("api-dev", "api-dev"),
        ("'api'", "api"),
        ("all", "base tool api api-dev lone"),
        ("@g", "tool api"),
        ("api*", "api api-dev"),
        ("api + base", "base api"),
        ("all - api*", "base tool lone"),
        ("all -api", "base tool api-dev lone"),
        ("all ^ api* ^ api", "api"),
        ("all - api - base + base", "base tool api-dev lone"),
        ("all - (api + base)", "tool api-dev lone"),
        ("deps(api)", "base tool api"),
        ("deps(api-dev, 1)", "api api-dev"),
        ("rdeps(base)", "base api api-dev"),
        ("rdeps(base, 1) - base", "api"),
        ("deps(api) ^ rdeps(tool)", "tool api"),
        ("somepath(api-dev, tool)", "tool api api-dev"),
        ("somepath(tool, api)", ""),
        ("allpaths(api-dev, base + tool)", "base tool api api-dev"),
        ("allpaths(lone, base)", ""),
        ("kind(published, all)", "api"),
        ("kind(internal, all) - lone", "base tool api-dev"),
        ("filter('^api', all)", "api api-dev"),
        ("attr(tags, 'x/', all)", "base api"),
        ("attr(args, '^V=1', all)", "tool"),
        ("attr(labels, a=b, all)", "lone"),
        ("attr(secrets, E, all)", "api"),
        ("attr(publish, false, all)", "base"),
        ("attr(pull, never, all)", "lone"),
        ("attr(target, '^$', lone)", "lone"),
        ("deps(deps(api) - base)", "base tool api"),
        ("  deps( api )  ", "base tool api"),
    ],
)
def test_run(text: str, expected: str) -> None:
    assert ask(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "found the end, expected a selection, a function or '('"),
        ("api +", 6, "found the end, expected a selection"),
        ("+ api", 1, "found '+', expected a selection"),
        ("deps(api", 9, "found the end, expected ')'"),
        ("deps()", 6, "found ')', expected a selection"),
        ("deps(api, base)", 11, "found 'base', expected a number of edges"),
        ("deps(api, 1, 2)", 12, "found ',', expected ')'"),
        ("somepath(api)", 13, "found ')', expected ','"),
        ("api base", 5, "found 'base', expected an operator"),
        ("(api", 5, "found the end, expected ')'"),
        ("dep(api)", 1, "there is no function dep()"),
        ("filter('[', all)", 8, "not a regular expression"),
        ("attr(tag, x, all)", 6, "targets have no 'tag'"),
        ("api + 'base", 7, "a quote that is never closed"),
        ("!api", 1, "'!' is for command lines"),
        ("(" * 200 + "api" + ")" * 200, 102, "nested more than 100 levels deep"),
    ],
)
def test_errors_point_at_their_column(text: str, column: int, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        ask(text)
    first, shown, mark = raised.value.message.split("\n")
    assert first.startswith(f"query, column {column}: {message}")
    assert shown == f"  {text}"
    assert mark.index("^") == column + 1


def test_an_unknown_name() -> None:
    with pytest.raises(SelectionError) as raised:
        ask("deps(apu)")
    assert raised.value.hint == "did you mean 'api'?"


EXPRESSIONS = st.recursive(
    st.sampled_from(["api", "api*", "@g", "all", "lone"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-^"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda text: f"deps({text})"),
        inner.map(lambda text: f"rdeps({text})"),
    ),
    max_leaves=8,
)


@given(EXPRESSIONS, EXPRESSIONS)
def test_operators_are_those_of_sets(left: str, right: str) -> None:
    first, second = set(ask(left).split()), set(ask(right).split())
    assert set(ask(f"{left} + {right}").split()) == first | second
    assert set(ask(f"{left} - {right}").split()) == first - second
    assert set(ask(f"{left} ^ {right}").split()) == first & second


def exit_code(text: str) -> int:
    try:
        ask(text)
    except MkbuildError as error:
        return error.exit_code
    return 0


@given(st.text(alphabet="()+-^,'\" apideslton*1@", max_size=30))
def test_any_text_is_answered_or_refused(text: str) -> None:
    assert exit_code(text) in {0, 2, 4}
