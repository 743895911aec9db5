"""What Go's filepath.Match calls malformed."""

import pytest

from mkbuild.context import goglob
from mkbuild.context.goglob import PatternError


@pytest.mark.parametrize(
    "pattern",
    [
        "[",
        "[]",
        "[]a]",
        "[^]",
        "[a",
        "[a-",
        "[a-]",
        "[-a]",
        "[a-b-c]",
        "\\",
        "a\\",
        "*[",
        "?[a",
        ".[",
        "*.[",
        "[.][",
        "[^a][",
    ],
)
def test_malformed(pattern: str) -> None:
    with pytest.raises(PatternError):
        goglob.check(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["", "a", "*", "**", "[a]", "[^a]", "[a-z]", "[\\]]", "[\\-]", "\\*", "[[]", "a]", "[z-a]"],
)
def test_well_formed(pattern: str) -> None:
    goglob.check(pattern)


@pytest.mark.parametrize("pattern", ["a*[", "a*\\", "[a]*[", "a*b*[]"])
def test_what_is_not_looked_at(pattern: str) -> None:
    goglob.check(pattern)
