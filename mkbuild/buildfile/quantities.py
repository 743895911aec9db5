"""Sizes and durations as people write them."""

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\Z", re.IGNORECASE)
_DURATION = re.compile(r"(\d+)\s*(s|m|h|d|w)\Z|0\Z")
SIZE = _SIZE.pattern.removesuffix(r"\Z")
"""Pattern of a size, for the JSON schema; in any case."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_size(value: object) -> int:
    """Read ``40GB`` (powers of 1000) or ``40GiB`` (powers of 1024) as bytes; ValueError."""
    match = _SIZE.match(str(value))
    if not match:
        raise ValueError("allowed: a size such as 500MB, 40GB or 40GiB")
    power = " KMGT".index(match[2].upper() or " ")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** power)


def parse_duration(value: object) -> int:
    """Read ``90s``, ``12h`` or ``14d`` as seconds; ValueError."""
    match = _DURATION.match(str(value))
    if not match:
        raise ValueError("allowed: a duration such as 90s, 30m, 12h, 14d or 2w")
    return int(match[1] or 0) * _SECONDS[match[2] or "s"]
