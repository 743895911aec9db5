"""Listings: held, kept, forgotten, damaged."""

from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.engine import listings
from mkbuild.engine.listings import Listings

ONE, TWO = digests.of(b"one"), digests.of(b"two")
LISTING = {"a": "f 644 aa", "b\udcff": "l 777 a"}


def test_what_is_held_is_kept_when_it_is_said(tmp_path: Path) -> None:
    first = Listings(tmp_path)
    first.hold(ONE, LISTING)
    assert first(ONE) == LISTING
    assert first.has(ONE)
    assert not Listings(tmp_path).has(ONE)
    first.keep()
    again = Listings(tmp_path)
    assert again.has(ONE)
    assert again(ONE) == LISTING
    assert again(TWO) is None
    assert again("of another time") is None


def test_a_damaged_one_is_none(tmp_path: Path) -> None:
    kept = Listings(tmp_path)
    kept.hold(ONE, LISTING)
    kept.keep()
    (path,) = (tmp_path / "listings").iterdir()
    path.write_bytes(path.read_bytes()[:-5])
    assert Listings(tmp_path)(ONE) is None


def test_old_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "KEPT", 2)
    for number in range(4):
        kept = Listings(tmp_path)
        kept.hold(digests.of(bytes([number])), {})
        kept.keep()
    assert len(list((tmp_path / "listings").iterdir())) == 2
    assert Listings(tmp_path).has(digests.of(bytes([3])))


def test_large_ones_go_sooner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listings, "KEPT_BYTES", 10)
    for number in range(3):
        kept = Listings(tmp_path)
        kept.hold(digests.of(bytes([number])), LISTING)
        kept.keep()
    assert len(list((tmp_path / "listings").iterdir())) == 1
    assert Listings(tmp_path).has(digests.of(bytes([2])))


def test_what_another_process_took_away_is_no_error(tmp_path: Path) -> None:
    """A name that is there and has no status is what a race leaves: a link to nothing is one."""
    kept = Listings(tmp_path)
    kept.hold(ONE, LISTING)
    (tmp_path / "listings").mkdir()
    (tmp_path / "listings" / "gone").symlink_to(tmp_path / "nothing")
    kept.keep()
    assert Listings(tmp_path).has(ONE)
