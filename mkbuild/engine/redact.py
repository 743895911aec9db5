"""Command lines as they may be written down."""

from collections.abc import Sequence

HIDDEN = "***"
_SECRET_FLAGS = (
    *("--redis-cache-password", "--http-cache-header"),
    *("--registry-config", "--build-arg"),
)


def redacted(argv: Sequence[str]) -> list[str]:
    """Hide the values of flags that may hold credentials."""
    shown: list[str] = []
    hide = False
    for word in argv:
        flag, equals, _ = word.partition("=")
        if hide:
            shown.append(HIDDEN)
        elif flag in _SECRET_FLAGS and equals:
            shown.append(f"{flag}={HIDDEN}")
        else:
            shown.append(word)
        hide = not hide and word in _SECRET_FLAGS
    return shown
