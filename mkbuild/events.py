"""What happened, as primitives: the engine emits, reporters show (plain, tty, JSON, logs)."""

from dataclasses import field
from typing import Literal, Protocol, TypeAlias

from mkbuild.frozen import frozen

Status = Literal["hit-local", "hit-remote", "ran", "skipped", "miss"]
"""The words of every report; ``miss`` occurs in plans only."""


@frozen
class RunStarted:
    """A build began: the targets in build order, how many steps they have in all."""

    targets: tuple[str, ...]
    steps: int
    jobs: int


@frozen
class StepStarted:
    """A step began to run. ``step`` is unique within the run; ``location`` is file:line.

    ``why`` it runs is said where somebody asked for it (``-d explain``).
    """

    step: str
    target: str
    stage: str
    instruction: str
    location: str
    why: str = ""


@frozen
class StepOutput:
    """A step printed something: ``stream`` 1 or 2."""

    step: str
    stream: int
    data: bytes


@frozen
class StepFinished:
    """A step is done; ``key`` its action key; ``error`` is empty unless it failed.

    Steps that were hits have no StepStarted; ``source`` names the shared cache that had one.
    """

    step: str
    target: str
    stage: str
    instruction: str
    location: str
    status: Status
    seconds: float
    key: str = ""
    error: str = ""
    source: str = ""


@frozen
class LayerFinished:
    """A layer was written: ``step`` is the one that it ends with; ``size`` of the blob."""

    step: str
    target: str
    digest: str
    size: int
    seconds: float


@frozen
class PhaseFinished:
    """A part of the run is over: load, plan, resolve, run, finish, write or publish."""

    name: str
    seconds: float


@frozen
class Transfer:
    """Bytes on the move: ``verb`` is pull, push, unpack, compress or export; total 0 if unknown."""

    verb: str
    what: str
    done: int
    total: int
    finished: bool = False


@frozen
class TargetFinished:
    """An image is complete (or failed: ``error``); its digest, names, hits and steps."""

    target: str
    digest: str
    names: tuple[str, ...]
    steps: int
    ran: int
    seconds: float
    size: int = 0
    error: str = ""


@frozen
class Published:
    """A name now points at a digest in a registry; ``moved`` is False where it did before."""

    name: str
    digest: str
    moved: bool


@frozen
class Message:
    """Something to tell the user: level is debug, info or warning."""

    level: Literal["debug", "info", "warning"]
    text: str
    fields: dict[str, str] = field(default_factory=dict)


@frozen
class RunFinished:
    """The build is over."""

    ok: bool
    seconds: float
    ran: int
    hits: int
    skipped: int


Event: TypeAlias = (
    RunStarted
    | StepStarted
    | StepOutput
    | StepFinished
    | LayerFinished
    | PhaseFinished
    | Transfer
    | TargetFinished
    | Published
    | Message
    | RunFinished
)


class Reporter(Protocol):
    """Shows events. Called from one thread at a time; never raises; ends its display on close."""

    def emit(self, event: Event) -> None:
        """Show one event."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was found."""
        ...
