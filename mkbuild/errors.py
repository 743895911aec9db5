"""The one exception tree.

::

    MkbuildError                  exit 37 when it reaches the command line unclassified
    ├── UserError                 what the user wrote cannot be used
    │   ├── UsageError            2   command line
    │   ├── BuildFileError        2   BUILD.yaml
    │   ├── DockerfileError       2   Dockerfile syntax and semantics known before anything runs
    │   ├── CycleError            2   targets or stages that need each other
    │   ├── NotYetError           2   accepted syntax whose execution is not there yet
    │   ├── SelectionError        4   the selection matched nothing
    │   └── DriftError            6   BUILD.lock or a plan no longer describes the inputs
    ├── BuildError                1   a build failed
    │   ├── StepError             1   one step failed (RUN's status, a missing COPY source, …)
    │   ├── PullError             1   a base image or remote input could not be had
    │   └── SandboxError          1   the machine cannot give the sandbox what it needs
    ├── ArchiveError              1   a tar, layer or image that cannot be trusted or read
    ├── RegistryError             1   what a registry answered
    ├── ChecksFailedError         3   built, but tests or lint failed
    ├── ExpectedCachedError       5   --expect-cached violated
    ├── PublishError              7   built, but publishing failed
    └── CancelledError          130   interrupted
"""

from typing import ClassVar, Self

from mkbuild.location import Location


def _rebuild(cls: type["MkbuildError"], state: dict[str, object]) -> "MkbuildError":
    error = cls.__new__(cls)
    error.__dict__.update(state)
    error.args = (str(state.get("message", "")),)
    return error


class MkbuildError(Exception):
    """What happened, where, why, and what to do about it."""

    exit_code: ClassVar[int] = 37

    def __init__(
        self,
        message: str,
        *,
        location: Location | None = None,
        hint: str | None = None,
        more: tuple[str, ...] = (),
    ) -> None:
        """Keep the message (what and why), the place, the hint (what to do), what -v adds."""
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint
        self.more = more

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by state: keyword-only arguments defeat the default."""
        return (_rebuild, (type(self), dict(self.__dict__)))

    def at(self, location: Location) -> Self:
        """Add the place where it is not known yet; returns itself, to be raised."""
        if self.location is None:
            self.location = location
        return self

    def __str__(self) -> str:
        """Render as ``place: message`` and, on its own line, the hint."""
        text = f"{self.location}: {self.message}" if self.location else self.message
        return f"{text}\n  hint: {self.hint}" if self.hint else text


class UserError(MkbuildError):
    """What the user wrote cannot be used."""

    exit_code = 2


class UsageError(UserError):
    """A command line that makes no sense."""


class BuildFileError(UserError):
    """A build file that cannot be read, or says something impossible."""


class DockerfileError(UserError):
    """A Dockerfile that cannot be parsed, or says something impossible."""


class CycleError(UserError):
    """Targets or stages that need each other."""


class NotYetError(UserError):
    """Syntax that is understood, but cannot be executed yet."""


class SelectionError(UserError):
    """A selection that matched nothing."""

    exit_code = 4


class DriftError(UserError):
    """The lock file or the plan no longer describes the inputs."""

    exit_code = 6


class BuildError(MkbuildError):
    """A build failed."""

    exit_code = 1


class StepError(BuildError):
    """One step failed."""


class PullError(BuildError):
    """A base image or another remote input could not be had."""


class SandboxError(BuildError):
    """The machine cannot give the sandbox what it needs."""


class ArchiveError(MkbuildError):
    """A tar, layer or image that cannot be trusted or read."""

    exit_code = 1


class RegistryError(MkbuildError):
    """What a registry answered, or that it did not."""

    exit_code = 1


class ChecksFailedError(MkbuildError):
    """Built, but tests or lint failed."""

    exit_code = 3


class ExpectedCachedError(MkbuildError):
    """A step would run although --expect-cached was given."""

    exit_code = 5


class PublishError(MkbuildError):
    """Built, but publishing failed."""

    exit_code = 7


class CancelledError(MkbuildError):
    """Interrupted by the user or by the failure of something else."""

    exit_code = 130
