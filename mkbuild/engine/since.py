"""``--since REF``: the images that differ from what they were at a git ref."""

from pathlib import Path

from mkbuild.engine.ends import Ends
from mkbuild.engine.listings import Listings
from mkbuild.engine.request import BuildRequest, WorkspaceInput
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.events import Message, Reporter
from mkbuild.sandbox import detect


def affected(
    session: Session, request: BuildRequest, selected: Selected, labels: tuple[str, ...]
) -> tuple[str, ...]:
    """Return those of some targets whose steps' keys or settings are others than they were.

    All of them where the request names no ref. Raises UsageError for a ref that is none, and
    whatever a build raises for a workspace that cannot be built.
    """
    given = request.input
    if not isinstance(given, WorkspaceInput) or given.since is None:
        return labels
    ends = Ends(session, request, selected, given.since, Listings(session.storage))
    now, then = ends.now(labels), ends.then(labels)
    found = tuple(label for label in labels if now.images[label] != then.images.get(label))
    if not found:
        session.emit(Message("info", f"nothing is affected since {given.since}"))
    return found


def ask(request: BuildRequest, reporter: Reporter, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Do as :func:`affected`, for a verb that needs no store but for this."""
    detect.enter(request.behaviour.sandbox)
    selected = open_workspace(request)
    try:
        with Session(Path(request.storage), reporter, selected.workspace.cache) as session:
            return affected(session, request, selected, labels)
    finally:
        reporter.close()
