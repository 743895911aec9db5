import pytest

from mkbuild.errors import StepError
from mkbuild.execute.gitref import GitRef, is_ref, parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/o/r.git", GitRef("https://h/o/r.git")),
        ("https://h/r.git#main", GitRef("https://h/r.git", "main")),
        ("https://h/r.git#v1:sub/dir/", GitRef("https://h/r.git", "v1", "sub/dir")),
        ("https://h/r.git#:../../sub", GitRef("https://h/r.git", "", "sub")),
        ("http://h/r.git#feature/x", GitRef("http://h/r.git", "feature/x")),
        ("git://h/r", GitRef("git://h/r")),
        ("ssh://git@h:22/r", GitRef("ssh://git@h:22/r")),
        ("git@h.org:o/r#main:a", GitRef("git@h.org:o/r", "main", "a")),
        ("git@h.org:o/r?tag=v1", GitRef("git@h.org:o/r", "refs/tags/v1")),
        ("https://h/r.git?branch=b", GitRef("https://h/r.git", "refs/heads/b")),
        (
            "https://h/r.git?ref=b&subdir=s&commit=abcd&keep-git-dir&submodules=false",
            GitRef("https://h/r.git", "b", "s", "abcd", keep_git_dir=True, submodules=False),
        ),
    ],
)
def test_repositories(text: str, expected: GitRef) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "a", "./r.git", "/r.git", "github.com/o/r", "https://h/r", "file:///r.git", "h:o/r.git"],
)
def test_other_sources(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "https://h/r.git#-upload-pack=x",
        "https://h/r.git#--x:sub",
        "https://h/r.git?ref=a:b",
        "https://h/r.git?ref=%2Ba",
        "https://h/r.git?ref=a..b",
        "https://h/r.git#a b",
        "https://h/r.git?tag=a&branch=b",
        "https://h/r.git?what=x",
        "https://h/r.git?submodules=perhaps",
        "https://h/r.git?ref=",
    ],
)
def test_what_git_must_not_see(text: str) -> None:
    with pytest.raises(StepError):
        parse(text)


@pytest.mark.parametrize(
    ("name", "fits"), [("main", True), ("v1.0+x", True), ("é", True), ("a^{tree}", False)]
)
def test_names(name: str, *, fits: bool) -> None:
    assert is_ref(name) is fits
