"""Which signals STOPSIGNAL may name (signal(7)); the names are Linux's, on whatever host."""

_NAMES = frozenset(
    [
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "IOT",
        "KILL",
        "PIPE",
        "POLL",
        "PROF",
        "PWR",
        "QUIT",
        "SEGV",
        "STKFLT",
        "STOP",
        "SYS",
        "TERM",
        "TRAP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "USR1",
        "USR2",
        "VTALRM",
        "WINCH",
        "XCPU",
        "XFSZ",
        "RTMIN",
        "RTMAX",
    ]
)
_LAST = 64


def is_signal(text: str) -> bool:
    """Whether a text is a signal's name, with or without SIG, or its number."""
    if text.isdigit():
        return 0 < int(text) <= _LAST
    name = text.upper().removeprefix("SIG")
    base, sign, offset = name.partition("+") if "+" in name else name.partition("-")
    if sign and base in {"RTMIN", "RTMAX"}:
        return offset.isdigit() and 0 < int(offset) <= _LAST // 2
    return name in _NAMES
