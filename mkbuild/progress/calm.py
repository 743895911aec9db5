"""For builds that follow each other: what runs and fails, without a summary of each."""

from mkbuild.events import Event, Reporter, RunFinished, TargetFinished


class CalmReporter:
    """Leaves out how a run and its images ended; somebody else says so."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def emit(self, event: Event) -> None:
        """Show one event."""
        if not isinstance(event, RunFinished | TargetFinished):
            self._reporter.emit(event)

    def close(self) -> None:
        """Close the reporter."""
        self._reporter.close()
