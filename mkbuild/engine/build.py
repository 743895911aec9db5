"""``mkbuild build``: from a request to an exit status."""

import os
from pathlib import Path

from mkbuild.engine.invocation import Invocation, Outcomes
from mkbuild.engine.outputs import write_outputs
from mkbuild.engine.request import BuildRequest, WorkspaceInput
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.errors import CancelledError
from mkbuild.events import Reporter
from mkbuild.graph.select import select
from mkbuild.sandbox import userns


def build(request: BuildRequest, reporter: Reporter) -> int:
    """Build, write outputs, publish; returns the exit status, raises MkbuildError."""
    if os.geteuid() != 0:
        userns.enter()
    selected = open_workspace(request)
    try:
        with Session(Path(request.storage), reporter, selected.workspace.cache) as session:
            invocation = Invocation(session, request, selected)
            try:
                outcomes = invocation.build(_labels(invocation, request, selected))
                if outcomes.error is None:
                    write_outputs(invocation, list(outcomes.images.values()))
            finally:
                invocation.close()
    finally:
        reporter.close()
    return _status(outcomes)


def _labels(invocation: Invocation, request: BuildRequest, selected: Selected) -> tuple[str, ...]:
    """Return the labels that are wanted, and check that nothing needs itself."""
    if not isinstance(request.input, WorkspaceInput):
        return selected.selection
    labels = select(
        selected.selection, selected.workspace, lambda: invocation.graph(tuple(invocation.targets))
    )
    graph = invocation.graph(tuple(labels))
    wanted = frozenset(labels)
    return tuple(label for label in graph.order() if label in wanted)


def _status(outcomes: Outcomes) -> int:
    if outcomes.error is not None:
        raise outcomes.error
    if outcomes.skipped:
        message = "interrupted"
        raise CancelledError(message)
    return 0
