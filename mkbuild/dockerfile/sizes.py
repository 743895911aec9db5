"""Sizes with units, as docker's go-units reads them: ``64m``, ``1.5GiB``, ``100 kB``."""

import re

_SIZE = re.compile(
    r"(?P<number>\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,3})?)"
    r" ?(?:b|(?P<unit>[kmgtp])(?:i?b)?)?\Z",
    re.IGNORECASE,
)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_LIMIT = 1 << 63


def parse(text: str) -> int | None:
    """Read a size in bytes; units are powers of 1024. None where it is none, or 8 EiB and more."""
    match = _SIZE.match(text)
    if not match:
        return None
    size = float(match["number"]) * 1024 ** _UNITS[(match["unit"] or "").lower()]
    return int(size) if size < _LIMIT else None
