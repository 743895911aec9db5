"""Times in whole seconds since 1970, as SOURCE_DATE_EPOCH and ``timestamps`` give them."""

_LAST = 253402300799
"""9999-12-31T23:59:59Z: what an image's config can say, which holds times as in RFC 3339."""


def parse(text: str) -> int:
    """Read seconds since 1970; raises ValueError for anything else, and for times after 9999."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LAST))):
        raise ValueError("seconds since 1970 are expected")
    seconds = int(text)
    if seconds > _LAST:
        raise ValueError("seconds since 1970 are expected, up to the end of the year 9999")
    return seconds
