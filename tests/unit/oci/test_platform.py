import pytest

from mkbuild import digest as digests
from mkbuild.errors import PullError, UserError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Index, Platform
from mkbuild.oci.platform import candidates, host, matches, parse, select


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("Linux/AMD64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/6", "linux/arm/v6"),
        ("arm/v5", "linux/arm/v5"),
        ("armhf", "linux/arm/v7"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("i386", "linux/386"),
        ("linux", "linux/amd64"),
        ("windows/amd64", "windows/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/s390x", "linux/s390x"),
        ("riscv64", "linux/riscv64"),
    ],
)
def test_parse(text: str, expected: str) -> None:
    assert str(parse(text)) == expected


def test_what_is_missing_comes_from_the_default() -> None:
    assert str(parse("linux", host("aarch64"))) == "linux/arm64"


@pytest.mark.parametrize(
    "text", ["", "a/b/c/d", "linux/", "linux//v7", "lin ux/amd64", "foo", "amd46"]
)
def test_refused(text: str) -> None:
    with pytest.raises(UserError, match="invalid platform"):
        parse(text)


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "linux/amd64"), ("aarch64", "linux/arm64"), ("armv7l", "linux/arm/v7")],
)
def test_host(machine: str, expected: str) -> None:
    assert str(host(machine)) == expected


def test_order_of_candidates() -> None:
    def order(text: str) -> list[str]:
        return [str(platform) for platform in candidates(parse(text))]

    assert order("linux/amd64/v3") == [
        "linux/amd64/v3",
        "linux/amd64/v2",
        "linux/amd64",
        "linux/386",
    ]
    assert order("linux/arm64") == [
        "linux/arm64",
        "linux/arm/v8",
        "linux/arm/v7",
        "linux/arm/v6",
        "linux/arm/v5",
    ]
    assert order("linux/arm64/v9")[:2] == ["linux/arm64/v9", "linux/arm64"]
    assert order("linux/arm/v6") == ["linux/arm/v6", "linux/arm/v5"]


def test_matches() -> None:
    assert matches(parse("linux/arm/v7"), parse("linux/arm/v6"))
    assert not matches(parse("linux/arm/v6"), parse("linux/arm/v7"))
    assert not matches(parse("linux/amd64"), parse("linux/amd64/v2"))
    assert matches(Platform("windows", "amd64"), Platform("windows", "amd64", os_version="10.0.1"))
    assert not matches(
        Platform("windows", "amd64", os_version="10.0.2"),
        Platform("windows", "amd64", os_version="10.0.1"),
    )


def entry(name: str, platform: str | None, **annotations: str) -> Descriptor:
    if platform is None:
        found = None
    else:
        os, architecture, *variant = platform.split("/")
        found = Platform(os, architecture, "".join(variant))
    names = {key.replace("_", "."): value for key, value in annotations.items()}
    return Descriptor(mediatype.OCI_MANIFEST, digests.of(name.encode()), 1, names, found)


def test_select_takes_the_best_and_the_first_of_equals() -> None:
    v6, v7 = entry("v6", "linux/arm/v6"), entry("v7", "linux/arm/v7")
    arm64, again = entry("arm64", "linux/arm64/v8"), entry("again", "linux/arm64")
    index = Index.build((v6, v7, arm64, again))
    assert select(index, parse("linux/arm/v7")) == v7
    assert select(index, parse("linux/arm64")) == arm64
    assert select(Index.build((v6, v7)), parse("linux/arm64")) == v7


def test_attestations_are_no_images() -> None:
    attestation = entry("att", "unknown/unknown")
    image = entry("image", None)
    assert select(Index.build((attestation, image)), parse("linux/amd64")) == image
    disguised = Descriptor(
        mediatype.OCI_MANIFEST,
        digests.of(b"disguised"),
        1,
        {"vnd.docker.reference.type": "attestation-manifest"},
        Platform(),
    )
    with pytest.raises(PullError, match="no image for linux/amd64"):
        select(Index.build((disguised,)), parse("linux/amd64"))


def test_no_match_lists_what_there_is() -> None:
    index = Index.build((entry("a", "linux/s390x"), entry("b", "linux/arm/v7")))
    with pytest.raises(PullError, match=r"it has: linux/arm/v7, linux/s390x") as caught:
        select(index, parse("linux/amd64"))
    assert caught.value.hint
