"""Errors gathered, so that one run shows all of them."""

from mkbuild.errors import BuildFileError
from mkbuild.frozen import frozen
from mkbuild.location import Location

SHOWN = 20


@frozen
class Problem:
    """One thing that is wrong."""

    message: str
    location: Location
    hint: str | None = None

    def error(self) -> BuildFileError:
        """Return it as an error."""
        return BuildFileError(self.message, location=self.location, hint=self.hint)


class Problems:
    """A list of problems that only grows; raise_any() ends the work where there are any."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Location], Problem] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, message: str, location: Location, hint: str | None = None) -> None:
        """Note a problem; the same one at the same place counts once."""
        self._found.setdefault((message, location), Problem(message, location, hint))

    def add_error(self, error: BuildFileError, location: Location) -> None:
        """Note a problem that came as an error."""
        self.add(error.message, error.location or location, error.hint)

    def raise_any(self) -> None:
        """Raise BuildFileError with everything found, by file and line; nothing found: return."""
        found = sorted(
            self._found.values(),
            key=lambda p: (p.location.file, p.location.line, p.location.column),
        )
        if not found:
            return
        if len(found) == 1:
            raise found[0].error()
        lines = [str(problem.error()) for problem in found[:SHOWN]]
        if len(found) > SHOWN:
            lines.append(f"and {len(found) - SHOWN} more")
        raise BuildFileError(f"{len(found)} problems in build files\n" + "\n".join(lines))
