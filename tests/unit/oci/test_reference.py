import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.digest import Digest
from mkbuild.errors import UserError
from mkbuild.oci.reference import Reference, among, parse

HEX = "a" * 64


@pytest.mark.parametrize(
    ("text", "full", "familiar"),
    [
        ("debian", "docker.io/library/debian:latest", "debian:latest"),
        ("debian:bookworm", "docker.io/library/debian:bookworm", "debian:bookworm"),
        ("acme/api:1", "docker.io/acme/api:1", "acme/api:1"),
        ("docker.io/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("index.docker.io/library/debian", "docker.io/library/debian:latest", "debian:latest"),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("ghcr.io/a/b__c/d-e.f:v1", "ghcr.io/a/b__c/d-e.f:v1", "ghcr.io/a/b__c/d-e.f:v1"),
        ("[::1]:5000/x:y", "[::1]:5000/x:y", "[::1]:5000/x:y"),
        (f"x@sha256:{HEX}", f"docker.io/library/x@sha256:{HEX}", f"x@sha256:{HEX}"),
        (f"x:1@sha256:{HEX}", f"docker.io/library/x:1@sha256:{HEX}", f"x:1@sha256:{HEX}"),
        ("library/a/b", "docker.io/library/a/b:latest", "library/a/b:latest"),
        ("Registry/x", "Registry/x:latest", "Registry/x:latest"),
    ],
)
def test_parse_and_render(text: str, full: str, familiar: str) -> None:
    reference = parse(text)
    assert str(reference) == full
    assert reference.familiar() == familiar
    assert parse(full) == parse(familiar) == reference


def test_target_prefers_the_digest() -> None:
    reference = parse(f"x:1@sha256:{HEX}")
    assert reference.target == f"sha256:{HEX}"
    assert parse("x:1").target == "1"
    assert parse("x:1").with_digest(Digest(f"sha256:{HEX}")) == reference
    assert reference.with_tag("2") == parse("x:2")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "missing"),
        (":tag", "missing"),
        ("x:", "no tag"),
        ("x:-bad", "no tag"),
        ("x:" + "a" * 129, "no tag"),
        ("acme/Api", "lower case"),
        ("Debian:1", "lower case"),
        ("a//b", "no part"),
        ("a/-b", "no part"),
        ("a/b_", "no part"),
        ("a/../b", "no part"),
        ("x@md5:1234", "not a sha256"),
        ("x@sha256:../../x", "not a sha256"),
        ("x@", "not a sha256"),
        (HEX, "image ID"),
        ("-bad.io/x", "no host"),
        ("a" * 256, "255"),
        ("x y", "no part"),
    ],
)
def test_refused(text: str, why: str) -> None:
    with pytest.raises(UserError, match=why) as caught:
        parse(text)
    assert caught.value.hint


def test_with_tag_refuses_a_bad_tag() -> None:
    with pytest.raises(UserError, match="no tag"):
        parse("x").with_tag("a b")


COMPONENT = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+){0,2}", fullmatch=True)


@given(
    st.sampled_from(["docker.io", "localhost:1", "ghcr.io", "a.b.c:5000"]),
    st.lists(COMPONENT, min_size=1, max_size=3),
    st.from_regex(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", re.ASCII), fullmatch=True),
)
def test_both_renderings_read_back(registry: str, parts: list[str], tag: str) -> None:
    if registry == "docker.io" and len(parts) == 1:
        parts = ["library", *parts]
    reference = Reference(registry, "/".join(parts), tag)
    assert parse(str(reference)) == reference
    assert parse(reference.familiar()) == reference


@given(st.text(max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        reference = parse(text)
    except UserError:
        return
    assert parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("name", "names", "expected"),
    [
        ("alpine", {"alpine"}, "alpine"),
        ("docker.io/library/alpine:latest", {"alpine"}, "alpine"),
        ("alpine", {"library/alpine", "x"}, "library/alpine"),
        ("alpine:3", {"alpine"}, None),
        ("alpine:3", {"docker.io/alpine:3"}, "docker.io/alpine:3"),
        ("Not A Name", {"Not A Name"}, "Not A Name"),
        ("Not A Name", {"alpine"}, None),
        ("alpine", set(), None),
    ],
)
def test_a_name_is_found_among_others_by_what_it_means(
    name: str, names: set[str], expected: str | None
) -> None:
    assert among(name, names) == expected
