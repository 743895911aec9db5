"""What may not be written down of a command line."""

import pytest

from mkbuild.engine.redact import redacted


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("all --push -j 2 --var A=b", "all --push -j 2 --var A=b"),
        ("--build-arg TOKEN=x all", "--build-arg *** all"),
        ("--build-arg=TOKEN=x all", "--build-arg=*** all"),
        ("--registry-config {} ./x", "--registry-config *** ./x"),
        ("--http-cache-header --build-arg --push", "--http-cache-header *** --push"),
        ("--redis-cache-password", "--redis-cache-password"),
    ],
)
def test_values_that_may_be_secret_are_hidden(given: str, shown: str) -> None:
    assert redacted(given.split()) == shown.split()
