"""What pins answer."""

from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.engine.lock import LOCK_FILE, Lock, Pins, open_pins
from mkbuild.errors import DriftError
from mkbuild.location import Location
from mkbuild.oci import platform as platforms
from mkbuild.oci import reference as references

ONE, TWO = digests.of(b"one"), digests.of(b"two")
AMD, ARM = platforms.parse("linux/amd64"), platforms.parse("linux/arm64")
DEBIAN = references.parse("debian:bookworm")
LOCK = Lock({str(DEBIAN): {str(AMD): ONE}}, {"http://x/a": TWO}, {"http://x/r.git#main": "0" * 40})
HERE = Location("Dockerfile", 2)


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
