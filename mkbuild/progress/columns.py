"""How wide the terminal is that something is written to."""

import os
from collections.abc import Mapping
from typing import TextIO

USUAL = 80
"""Columns of a terminal that does not say how many it has."""


def columns(stream: TextIO, env: Mapping[str, str]) -> int | None:
    """Return the columns of a terminal, as COLUMNS or else it itself says; None of anything else.

    Files and pipes get lines as long as they are: programs read them.
    """
    try:
        if not stream.isatty():
            return None
        said = env.get("COLUMNS", "")
        given = int(said) if said.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # closed, or no file of the system's
        return None
    return given or USUAL
