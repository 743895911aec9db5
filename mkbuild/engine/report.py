"""What a run leaves behind when it is over, however it ended: its record, and reports of it."""

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mkbuild.engine.contents import contents
from mkbuild.engine.files import DiskFiles, Git
from mkbuild.engine.images import BuiltTarget
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.log import Log, name_of
from mkbuild.engine.outputs import metadata
from mkbuild.engine.record import describe
from mkbuild.engine.redact import redacted
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.writing import write_text
from mkbuild.errors import BuildError, CancelledError, MkbuildError
from mkbuild.plan.sides import Side
from mkbuild.progress import github
from mkbuild.progress.recorder import Recorder


class Report:
    """Collects what happens from the start of a run; the build fills in the rest as it is known."""

    def __init__(self, request: BuildRequest) -> None:
        """Begin the run."""
        self.recorder = Recorder(time.time)
        self.files = DiskFiles()
        self.started = time.time()
        self.name = name_of(self.started)
        self.wanted: Sequence[str] = ()
        self.invocation: Invocation | None = None
        self.targets: Sequence[BuiltTarget] = ()
        self._request = request

    def finish(self, error: BaseException | None, warn: Callable[[str], None]) -> None:
        """Write everything; ``error`` is what ended the run early.

        A run leaves a record once it is known which targets it is to build. Where a report that was
        asked for cannot be written, raises BuildError if the run went well, and warns if not.
        """
        document = self._describe(error)
        if self.wanted:
            try:
                Log(Path(self._request.storage)).write(self.name, document)
                if self.invocation:
                    self.invocation.comparison.listings.keep()
            except OSError as problem:
                warn(f"the run left no record: {problem}")
        try:
            self._write(document)
        except BuildError as problem:
            if error is None:
                raise
            warn(problem.message)
        if github.is_active(os.environ):
            self._tell_github(document, error, warn)

    def _describe(self, error: BaseException | None) -> dict[str, Any]:
        request, invocation = self._request, self.invocation
        git = Git(Path(request.directory))
        return describe(
            started=self.started,
            error=error,
            directory=request.directory,
            workspace=invocation.comparison.place if invocation else "",
            arguments=redacted(sys.argv[1:]),
            git={fact: git(fact) for fact in ("sha", "dirty")},
            wanted=self.wanted,
            images=invocation.planned if invocation else (),
            resolution=invocation.resolution if invocation else None,
            side=invocation.side() if invocation else Side(),
            why=invocation.why if invocation else {},
            targets={target.label: self._brief(target) for target in self.targets},
            recorder=self.recorder,
        )

    def _write(self, document: Mapping[str, Any]) -> None:
        publishing = self._request.publishing
        if publishing.trace:
            from mkbuild.progress.trace import chrome_trace

            write_text(Path(publishing.trace), json.dumps(chrome_trace(document)) + "\n")
        if publishing.junit:
            from mkbuild.progress.junit import junit

            write_text(Path(publishing.junit), junit(document, os.uname().nodename))

    def _tell_github(
        self,
        document: Mapping[str, Any],
        error: BaseException | None,
        warn: Callable[[str], None],
    ) -> None:
        directory = self._request.directory
        known = github.placed(directory, os.environ)

        def place(file: str) -> str:
            # inline Dockerfiles and those of git contexts are no files of the checkout
            return known(file) if Path(directory, file).is_file() else ""

        found = github.annotations(document, place)
        if not found and isinstance(error, MkbuildError) and not isinstance(error, CancelledError):
            where = error.location
            found = [github.annotation("error", "mkbuild", error.message, where, place)]
        sys.stderr.write("".join(f"{line}\n" for line in found))
        sys.stderr.flush()
        delimiter = f"mkbuild-{secrets.token_hex(16)}"
        texts = {
            "GITHUB_STEP_SUMMARY": github.summary(document),
            "GITHUB_OUTPUT": github.outputs(
                {t.label: self._metadata(t) for t in self.targets}, delimiter
            ),
        }
        for name, text in texts.items():
            if os.environ.get(name):
                try:
                    with Path(os.environ[name]).open(
                        "a", encoding="utf-8", errors="replace"
                    ) as stream:
                        stream.write(text)
                except OSError as problem:
                    warn(f"{name}: {problem}")

    def _metadata(self, target: BuiltTarget) -> dict[str, object]:
        assert self.invocation is not None  # noqa: S101 -- it built the target
        return metadata(self.invocation, target)

    def _brief(self, target: BuiltTarget) -> dict[str, Any]:
        """Return a target's metadata without its steps, which records hold once, and its layers."""
        known = {name: value for name, value in self._metadata(target).items() if name != "steps"}
        return {**known, "images": contents(target)}
