"""How numbers, digests and foreign text are written, in every report alike."""

# ruff: noqa: PLR2004 - a format is made of thresholds

_ESCAPES = (
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and the other strings
    r"|\x1b[ -/]*[0-~]"  # two-character sequences
)
_CONTROLS = r"[\x00-\x1f\x7f-\x9f]"

_WIDTH = 79


def seconds(value: float) -> str:
    """Write a duration: ``0.12s``, ``3.2s``, ``75s``, ``12m05s``, ``2h03m``."""
    if value < 1:
        return f"{value:.2f}s"
    if value < 10:
        return f"{value:.1f}s"
    whole = round(value)
    if whole < 100:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02}m"


def size(value: int) -> str:
    """Write a number of bytes in decimal units: ``999 B``, ``1.2 kB``, ``85 MB``."""
    number = float(value)
    for unit in ("B", "kB", "MB", "GB"):
        if number < 999.5:
            small = unit != "B" and number < 9.95
            return f"{number:.1f} {unit}" if small else f"{number:.0f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def short(name: str) -> str:
    """Return the first 12 hex digits of a digest, and any other name as it is."""
    return name[7:19] if name.startswith("sha256:") else name


def cells(text: str) -> int:
    """Return how many columns text takes: East Asian characters take two, marks on others none."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 1 + (east_asian_width(c) in "WF") for c in text)


def fit(text: str, width: int) -> str:
    """Cut text to a width in columns, marking the cut."""
    if cells(text) <= width:
        return text
    mark = ".." if width > 2 else ""
    kept = text[: max(width - len(mark), 0)]
    while cells(kept) > width - len(mark):
        kept = kept[:-1]
    return kept + mark


def wrap(line: str, indent: str, width: int = _WIDTH) -> list[str]:
    """Lay a line out for 80 columns, what does not fit below it; long words stay whole."""
    lines: list[str] = []
    start, current = indent, ""
    for word in clean(line).split(" "):
        if current and cells(start + current) + 1 + cells(word) > width:
            lines.append(start + current.rstrip())
            start, current = indent + "  ", ""
        current = f"{current} {word}" if current else word
    return [*lines, start + current.rstrip()] if current.strip() else lines


def one_line(text: str) -> str:
    """Fold an instruction onto one line that is safe to show."""
    return clean(" ".join(text.split()))


def clean(line: str) -> str:
    """Make a line of foreign output safe to show: no escapes, no control characters.

    Of a line that was rewritten with carriage returns (progress bars), the last version is kept.
    """
    line = line.rstrip("\r\n")
    if line.isprintable():
        return line
    import re  # here: it takes a no-op 5 ms, which writes nothing foreign

    line = re.sub(_ESCAPES, "", line)
    return re.sub(_CONTROLS, "", line.rsplit("\r", 1)[-1].expandtabs(4))


def count(number: int, noun: str, plural: str = "") -> str:
    """Write ``1 step``, ``2 steps``; ``plural`` where it is not made with an s."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
