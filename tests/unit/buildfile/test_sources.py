import pytest

from mkbuild.buildfile.sources import parse, parse_main
from mkbuild.buildfile.target import (
    ContextSource,
    DirectoryContext,
    GitContext,
    ImageContext,
    LayoutContext,
    TargetContext,
)

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (".", DirectoryContext("/w/d")),
        ("../lib/", DirectoryContext("/w/lib")),
        ("/abs", DirectoryContext("/abs")),
        ("target:api", TargetContext("api")),
        ("target://dir:api", TargetContext("//dir:api")),
        ("docker-image://alpine:3.20", ImageContext("alpine:3.20")),
        ("oci-layout://bases", LayoutContext("/w/d/bases")),
        ("oci-layout:./bases:v1", LayoutContext("/w/d/bases", "v1")),
        (f"oci-layout:///abs@{DIGEST}", LayoutContext("/abs", "", DIGEST)),
        ("https://x/r.git", GitContext("https://x/r.git")),
        ("https://x/r#main", GitContext("https://x/r", "main")),
        ("https://x/r.git#v1:a/b", GitContext("https://x/r.git", "v1", "a/b")),
        ("https://x/r.git#:a", GitContext("https://x/r.git", "", "a")),
        ("git@github.com:a/b.git#v1", GitContext("git@github.com:a/b.git", "v1")),
        ("ssh://git@x/r", GitContext("ssh://git@x/r")),
        ("git://x/r", GitContext("git://x/r")),
    ],
)
def test_parse(text: str, expected: ContextSource) -> None:
    assert parse(text, "/w/d") == expected


@pytest.mark.parametrize("text", ["", "ftp://x", "https://x/archive.tar.gz", "oci-layout://"])
def test_what_is_no_context(text: str) -> None:
    with pytest.raises(ValueError, match=r"allowed|empty|not a git"):
        parse(text, "/w")


@pytest.mark.parametrize("text", ["target:a", "docker-image://a", "oci-layout://a"])
def test_a_targets_own_context_holds_files(text: str) -> None:
    with pytest.raises(ValueError, match="a directory or a git URL"):
        parse_main(text, "/w")
