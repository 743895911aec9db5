import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.buildfile.names import Names, label_of, split_label

LABELS = ["a", "b", "//d:a", "//d/e:c", "//f:c", "//d:x.y"]


@pytest.mark.parametrize(
    ("text", "directory", "expected"),
    [
        ("a", "", ("a",)),
        ("a", "d", ("//d:a",)),
        ("a", "d/e", ("a",)),
        ("b", "d", ("b",)),
        ("//d:a", "", ("//d:a",)),
        ("//:a", "d", ("a",)),
        ("c", "", ("//d/e:c", "//f:c")),
        ("c", "f", ("//f:c",)),
        ("x.y", "", ("//d:x.y",)),
        ("z", "", ()),
        ("//d:z", "", ()),
    ],
)
def test_find(text: str, directory: str, expected: tuple[str, ...]) -> None:
    assert Names(LABELS).find(text, directory) == expected


@given(st.from_regex(r"[a-z/]*", fullmatch=True), st.from_regex(r"[a-z.-]+", fullmatch=True))
def test_labels_split_into_what_they_were_made_of(directory: str, name: str) -> None:
    assert split_label(label_of(directory, name)) == (directory, name)
