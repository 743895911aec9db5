import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.buildfile import yaml
from mkbuild.errors import BuildFileError
from mkbuild.location import Location


def parse(text: str) -> yaml.Node | None:
    return yaml.parse(text.encode(), "B")


def plain(node: yaml.Node | None) -> object:
    match node:
        case yaml.Mapping():
            return {key: plain(value) for key, (_, value) in node.entries.items()}
        case yaml.Sequence():
            return [plain(item) for item in node.items]
        case yaml.Scalar():
            return node.text
        case None:
            return None


def test_scalars_stay_as_written() -> None:
    assert plain(parse("{a: 3.10, b: yes, c: 0o17, d: 1_000, e: 2020-01-01}")) == {
        "a": "3.10",
        "b": "yes",
        "c": "0o17",
        "d": "1_000",
        "e": "2020-01-01",
    }


def test_keys_and_values_know_their_places() -> None:
    tree = parse("a:\n  - x\n  - {b: y}\n")
    assert isinstance(tree, yaml.Mapping)
    assert yaml.locate(tree, ("a",)) == Location("B", 1, 1)
    assert yaml.locate(tree, ("a", 0)) == Location("B", 2, 5)
    assert yaml.locate(tree, ("a", 1, "b")) == Location("B", 3, 6)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~", "null"])
def test_an_empty_document_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(("text", "null"), [("a:", True), ("a: ~", True), ("a: ''", False)])
def test_quotes_make_an_empty_text(text: str, *, null: bool) -> None:
    tree = parse(text)
    assert isinstance(tree, yaml.Mapping)
    value = tree.get("a")
    assert isinstance(value, yaml.Scalar)
    assert value.null is null


def test_merge_keys_fill_in_what_is_not_said() -> None:
    text = "x-a: &a {p: 1, q: 2}\nx-b: &b {q: 3, r: 4}\nd: {<<: [*a, *b], p: 0}\n"
    tree = parse(text)
    assert isinstance(tree, yaml.Mapping)
    assert plain(tree.get("d")) == {"p": "0", "q": "2", "r": "4"}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key 'a' stands twice; first at line 1"),
        ("a:\n  b: 1\n  b: 2\n", 3, 3, "the key 'b' stands twice; first at line 2"),
        ("a: *x\n", 1, 4, "the alias *x has no anchor before it"),
        ("a: &x [*x]\n", 1, 8, "the alias *x stands inside what it refers to"),
        ("a: !!python/object:os.system 1\n", 1, 4, "tags are not supported"),
        ("a: !secret b\n", 1, 4, "tags are not supported"),
        ("a: 1\n---\nb: 1\n", 2, 1, "a second document"),
        ("{[a]: 1}\n", 1, 2, "a key must be text"),
        ("a: {<<: 1}\n", 1, 5, "'<<' takes a mapping"),
        ("a: [1\nb: 2\n", 2, 2, "not valid YAML"),
        ("a:\n\tb: 1\n", 2, 1, "not valid YAML"),
        ("[" * 100, 1, 66, "nested more than 64 levels deep"),
    ],
)
def test_errors_have_a_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(BuildFileError) as raised:
        parse(text)
    assert message in raised.value.message
    assert raised.value.location == Location("B", line, column)


@pytest.mark.parametrize(
    ("data", "line"), [(b"a: 1\nb: \xff\n", 2), (b"a: 1\n\nb: \x00\n", 3), (b"\xff\xfea\x00", 1)]
)
def test_what_is_not_text_is_named_by_its_line(data: bytes, line: int) -> None:
    with pytest.raises(BuildFileError) as raised:
        yaml.parse(data, "B")
    assert raised.value.location is not None
    assert raised.value.location.line == line


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 60)]
    with pytest.raises(BuildFileError, match="aliases that expand to more than") as raised:
        parse("\n".join(lines))
    assert raised.value.location is not None
    assert raised.value.location.line < 7


def test_aliases_share_their_node() -> None:
    tree = parse("a: &a {x: [1, 2, 3]}\nb: *a\n")
    assert isinstance(tree, yaml.Mapping)
    assert tree.get("a") is tree.get("b")


def test_a_file_may_not_be_huge() -> None:
    with pytest.raises(BuildFileError, match="a build file may have"):
        yaml.parse(b"#" * (yaml.MAX_BYTES + 1), "B")


def failure(data: bytes) -> Location:
    try:
        yaml.parse(data, "B")
    except BuildFileError as error:
        return error.location or Location("nowhere")
    return Location("B")


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_fail_located(data: bytes) -> None:
    assert failure(data).file == "B"


@given(st.text(alphabet=":[]{}&*!|>-?#,'\"% \nab<", max_size=60))
def test_any_punctuation_parses_or_fails_located(text: str) -> None:
    assert failure(text.encode()).file == "B"


def test_no_text_has_a_nul() -> None:
    with pytest.raises(BuildFileError, match="NUL") as raised:
        parse('a:\n  b: "x\\0y"\n')
    assert (raised.value.location or Location("")).line == 2
