"""``--chmod``: what becomes of sources, and of the directories that are made for them."""

from mkbuild.dockerfile import chmod
from mkbuild.execute.copy import DIRECTORY_MODE, Mode


def parse(text: str) -> tuple[Mode, int]:
    """Read an octal or symbolic mode; return it and the mode of the directories that are made.

    An octal mode is also theirs, but for setuid, setgid and sticky; a symbolic one leaves them
    0755. Raises DockerfileError.
    """
    octal = chmod.octal_mode(text)
    return chmod.parse_mode(text), DIRECTORY_MODE if octal is None else octal & 0o777
