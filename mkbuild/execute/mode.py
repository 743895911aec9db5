"""``--chmod`` as a function on permission bits."""

from mkbuild.execute.copy import DIRECTORY_MODE, Mode


def parse(text: str) -> tuple[Mode, int]:
    """Read an octal or symbolic mode; return it and the mode of the directories that are made.

    An octal mode is also theirs, but for setuid, setgid and sticky; a symbolic one leaves them
    0755. Raises DockerfileError.
    """
    octal = int(text, 8)
    return lambda mode, is_directory: octal, octal & 0o777
