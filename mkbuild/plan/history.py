"""What an instruction leaves in an image's history, in the words that BuildKit uses.

OCI image spec, config.md "history": ``created_by`` is free text; tools that show it (``docker
history``, scanners) know BuildKit's form.
"""

from collections.abc import Iterable, Mapping, Sequence

from mkbuild.dockerfile.instructions import HealthcheckCmd

COMMENT = "buildkit.dockerfile.v0"
_MARK = " # buildkit"
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a"}
_ESCAPES |= {"\b": "\\b", "\f": "\\f", "\v": "\\v"}


def quoted(words: Iterable[str]) -> str:
    """Render a list as Go's ``%q`` does."""
    return "[" + " ".join(f'"{"".join(map(_character, word))}"' for word in words) + "]"


def _character(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code < 0x80:  # noqa: PLR2004 -- ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def bare(words: Iterable[str]) -> str:
    """Render a list as Go's ``%v`` does."""
    return f"[{' '.join(words)}]"


def pairs(keyword: str, items: Iterable[tuple[str, str]]) -> str:
    """Render ENV or LABEL."""
    return " ".join([keyword, *(f"{key}={value}" for key, value in items)])


def arg(items: Iterable[tuple[str, str | None]]) -> str:
    """Render ARG."""
    return " ".join(
        ["ARG", *(name if value is None else f"{name}={value}" for name, value in items)]
    )


def run(argv: Sequence[str], args: Mapping[str, str]) -> str:
    """Render RUN, with the ARGs that it sees."""
    seen = [f"{name}={value}" for name, value in args.items()]
    return "RUN " + " ".join([*([f"|{len(seen)}", *seen] if seen else []), *argv]) + _MARK


def copy(keyword: str, flags: Iterable[str], words: Iterable[str]) -> str:
    """Render COPY or ADD."""
    return " ".join([keyword, *flags, *words]) + _MARK


def healthcheck(test: Sequence[str], check: HealthcheckCmd | None) -> str:
    """Render HEALTHCHECK as Go prints the struct."""
    times = (
        (check.interval, check.timeout, check.start_period, check.start_interval, check.retries)
        if check
        else (0, 0, 0, 0, 0)
    )
    interval, timeout, start, start_interval = map(_duration, times[:4])
    return (
        f"HEALTHCHECK {{Test:{bare(test)} Interval:{interval} Timeout:{timeout} "
        f"StartPeriod:{start} StartInterval:{start_interval} Retries:{times[4]}}}"
    )


def _duration(nanoseconds: int) -> str:
    """Render nanoseconds as Go's ``time.Duration`` does."""
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if nanoseconds < size * 1000:
            return f"{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{_decimal(rest, 10**9)}s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = len(str(unit)) - 1
    text = f"{fraction:0{digits}d}".rstrip("0") if digits else ""
    return f"{whole}.{text}" if text else str(whole)
