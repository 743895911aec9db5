"""The table of sandbox modes that ``mkbuild doctor`` shows."""

import textwrap
from collections.abc import Iterable, Iterator

from mkbuild.sandbox.modes import Mode

_WIDTH, _INDENT = 80, " " * 18
_FIXES = {
    "namespace": "run as root, or allow user namespaces (see above)",
    "chroot": "run as root, in a container that has CAP_SYS_CHROOT (docker's default has)",
    "modifyfs": "only in a container that is thrown away: take the image mkbuild-static",
}


def fix(mode: Mode) -> str:
    """Return how to make a mode work, where it does not."""
    return "" if mode.works else _FIXES[mode.name]


def lines(modes: Iterable[Mode]) -> Iterator[str]:
    """Yield the table's lines, none wider than 80 columns; ``*`` marks what ``auto`` takes."""
    yield f"{'sandbox':11}{'works':7}keeps a RUN from"
    for mode in modes:
        works = ("yes" if mode.works else "no") + (" *" if mode.taken else "")
        yield f"{mode.name:11}{works:7}{mode.keeps_from}"
        yield from _indented(mode.detail)
        if not mode.works:
            yield from _indented(f"fix: {fix(mode)}")
    yield "* is what --sandbox=auto takes"


def _indented(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)
