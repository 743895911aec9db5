"""Sizes with units."""

import pytest

from mkbuild.dockerfile import sizes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("5", 5),
        ("5b", 5),
        ("5k", 5 << 10),
        ("5KB", 5 << 10),
        ("5KiB", 5 << 10),
        ("1.5g", 3 << 29),
        ("1 m", 1 << 20),
        ("2t", 2 << 40),
        ("1P", 1 << 50),
        (".5k", 512),
        ("1e3", 1000),
        ("", None),
        ("k", None),
        ("-1", None),
        ("5ib", None),
        ("5bk", None),
        ("5kbb", None),
        ("5  k", None),
        ("5e", None),
        ("1e999", None),
    ],
)
def test_parse(text: str, expected: int | None) -> None:
    assert sizes.parse(text) == expected
