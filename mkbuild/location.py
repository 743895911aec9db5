"""Where in which file something was said."""

from mkbuild.frozen import frozen


@frozen
class Location:
    """A place in a text file; lines and columns count from 1, and 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0
    end_line: int = 0

    def __str__(self) -> str:
        """Render as ``file:line:column``, leaving out what is unknown."""
        parts = [self.file]
        if self.line:
            parts.append(str(self.line))
            if self.column:
                parts.append(str(self.column))
        return ":".join(parts)
