"""What a run leaves behind when it is over, however it ended: its record in the store."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mkbuild.engine.files import Git
from mkbuild.engine.images import BuiltTarget
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.log import Log, name_of
from mkbuild.engine.outputs import metadata
from mkbuild.engine.record import describe
from mkbuild.engine.redact import redacted
from mkbuild.engine.request import BuildRequest
from mkbuild.events import Message
from mkbuild.progress.recorder import Recorder


class Report:
    """Collects what happens from the start of a run; the build fills in the rest as it is known."""

    def __init__(self, request: BuildRequest) -> None:
        """Begin the run."""
        self.recorder = Recorder(time.time)
        self.started = time.time()
        self.name = name_of(self.started)
        self.wanted: Sequence[str] = ()
        self.invocation: Invocation | None = None
        self.targets: Sequence[BuiltTarget] = ()
        self._request = request

    def finish(self, error: BaseException | None) -> list[Message]:
        """Write everything; ``error`` is what ended the run early. Returns what went wrong.

        A run leaves a record once it is known which targets it is to build.
        """
        if not self.wanted:
            return []
        request, invocation = self._request, self.invocation
        git = Git(Path(request.directory))
        document = describe(
            started=self.started,
            error=error,
            directory=request.directory,
            arguments=redacted(sys.argv[1:]),
            git={fact: git(fact) for fact in ("sha", "dirty")},
            wanted=self.wanted,
            images=invocation.planned if invocation else (),
            resolution=invocation.resolution if invocation else None,
            targets={target.label: metadata(target) for target in self.targets},
            recorder=self.recorder,
        )
        try:
            Log(Path(request.storage)).write(self.name, document)
        except OSError as problem:
            return [Message("warning", f"the run left no record: {problem}")]
        return []
