"""The lock file's text, and what pins answer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.engine.lock import LOCK_FILE, Lock, Pins, open_pins, read
from mkbuild.errors import BuildFileError, DriftError
from mkbuild.location import Location
from mkbuild.oci import platform as platforms
from mkbuild.oci import reference as references

ONE, TWO = digests.of(b"one"), digests.of(b"two")
AMD, ARM = platforms.parse("linux/amd64"), platforms.parse("linux/arm64")
DEBIAN = references.parse("debian:bookworm")
LOCK = Lock({str(DEBIAN): {str(AMD): ONE}}, {"http://x/a": TWO}, {"http://x/r.git#main": "0" * 40})
HERE = Location("Dockerfile", 2)

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
NAMES = st.dictionaries(TEXT, st.sampled_from([ONE, TWO]), max_size=4)


@given(st.dictionaries(TEXT, NAMES, max_size=3), NAMES)
def test_what_is_written_is_read(
    images: dict[str, dict[str, digests.Digest]], urls: object
) -> None:
    lock = Lock(images, urls)  # type: ignore[arg-type]
    backwards = Lock(dict(reversed(images.items())), lock.urls)
    assert backwards.render() == lock.render()
    assert _parsed(lock.render()) == lock


def _parsed(text: str) -> Lock:
    from mkbuild.buildfile import yaml
    from mkbuild.engine.lock import _parse

    return _parse(yaml.parse(text.encode(), "BUILD.lock"))


@pytest.mark.parametrize(
    "text", ["", "- 1\n", "version: 2\n", "version: 1\nurls: {a: sha256:12}\n", "a: [\n", "1\n"]
)
def test_no_lock_file(tmp_path: Path, text: str) -> None:
    (tmp_path / LOCK_FILE).write_text(text)
    with pytest.raises(BuildFileError) as caught:
        read(tmp_path / LOCK_FILE)
    assert "let mkbuild lock write it anew" in str(caught.value)


def test_a_pinned_image_has_its_digest() -> None:
    pins = Pins(LOCK)
    assert pins.image(DEBIAN, AMD).digest == ONE
    assert pins.image(DEBIAN, ARM).digest is None
    assert pins.image(DEBIAN.with_digest(TWO), AMD).digest == TWO


def test_what_was_asked_is_seen_and_nothing_else() -> None:
    pins = Pins(LOCK)
    pins.found_image(DEBIAN, ARM, TWO)
    pins.found_image(DEBIAN.with_digest(TWO), AMD, TWO)
    pins.check_url("http://x/a", TWO, HERE)
    assert pins.seen() == Lock({str(DEBIAN): {str(ARM): TWO}}, {"http://x/a": TWO})


def test_other_bytes_are_drift() -> None:
    with pytest.raises(DriftError) as caught:
        Pins(LOCK).check_url("http://x/a", ONE, HERE)
    assert caught.value.location == HERE


@pytest.mark.parametrize(
    ("locked", "env", "refuses"),
    [
        (None, {}, False),
        (None, {"CI": "true"}, True),
        (True, {}, True),
        (False, {"CI": "true"}, False),
    ],
)
def test_who_insists(
    tmp_path: Path, locked: bool | None, env: dict[str, str], refuses: bool
) -> None:
    (tmp_path / LOCK_FILE).write_text(LOCK.render())
    pins = open_pins(locked, str(tmp_path), env)
    assert pins.strict == refuses
    if refuses:
        with pytest.raises(DriftError):
            pins.image(DEBIAN, ARM)
    assert (pins.image(DEBIAN, AMD).digest == ONE) == (locked is not False)


def test_a_lock_that_is_not_there(tmp_path: Path) -> None:
    assert not open_pins(None, str(tmp_path), {"CI": "true"}).strict
    for directory in (str(tmp_path), None):
        with pytest.raises(DriftError):
            open_pins(True, directory, {})


BOMB = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
MERGES = "".join(f"a{n}: &a{n} {{<<: [{','.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"[" * 100_000, "levels deep|nesting depth"),  # newer versions of libyaml see it first
        (f"a0: &a0 [x]\n{BOMB}version: *a11\n".encode(), "expand to more than"),
        (f"a0: &a0 {{k: 1}}\n{MERGES}".encode(), "its version is None"),
        (b"version: 1\nimages: {\xff: 1}\n", "not UTF-8"),
        (b"version: [1]\n", "its version is no text"),
        (b"version: " + b"9" * 5000, "its version is 999"),
        (b"- x\n", "no mapping"),
        (b"version: 1\nurls: [1]\n", "line 2 is no mapping"),
        (b"version: 1\nurls: {x: [1]}\n", "x is no text"),
        (b"version: 1\nimages: {x: {linux/amd64: 'sha256:../x'}}\n", "not a sha256 digest"),
        (b"version: 1\ngit: {x: --upload-pack=id}\n", "no commit's hash"),
        (b"version: 1\ngit: {x: '+refs/heads/*:refs/*'}\n", "no commit's hash"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_lock_files_that_are_none(tmp_path: Path, data: bytes, why: str) -> None:
    (tmp_path / "BUILD.lock").write_bytes(data)
    with pytest.raises(BuildFileError, match=why):
        read(tmp_path / "BUILD.lock")
