"""Seconds since 1970."""

import pytest

from mkbuild.oci import epoch


def test_from_1970_to_the_last_second_that_a_config_can_say() -> None:
    assert epoch.parse("0") == 0
    assert epoch.parse("253402300799") == 253402300799


@pytest.mark.parametrize(
    "text", ["", "x", "-1", "1.5", "1_0", " 1", "²", "253402300800", "9" * 5000]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="seconds since 1970 are expected"):
        epoch.parse(text)
