"""``python -m mkbuild``."""

from mkbuild.cli.main import console

console()
