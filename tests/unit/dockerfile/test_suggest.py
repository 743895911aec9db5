"""Nearest spellings."""

import pytest

from mkbuild.dockerfile import suggest

KNOWN = ("run", "copy", "chown", "chmod")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("rum", "run"),
        ("CPY", "copy"),
        ("chwon", "chown"),
        ("zzz", None),
        ("run", None),
        ("RUN", None),
    ],
)
def test_nearest(word: str, expected: str | None) -> None:
    assert suggest.nearest(word, KNOWN) == expected


def test_cutoff() -> None:
    assert suggest.nearest("chn", KNOWN, 0.9) is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [("rum", "did you mean --run?"), ("CPY", "did you mean --COPY?"), ("zzz", None)],
)
def test_hint(word: str, expected: str | None) -> None:
    assert suggest.hint(word, KNOWN, "--") == expected
