"""``--against RUN|REF``: what images are compared with, where it is not their last build."""

from functools import cache
from pathlib import Path

from mkbuild.buildfile.nearest import nearest
from mkbuild.engine.ends import Ends
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.log import Log, Record, Run
from mkbuild.engine.repository import Repository
from mkbuild.engine.session import Session
from mkbuild.engine.side import read_side
from mkbuild.engine.workspace import Selected
from mkbuild.errors import UsageError
from mkbuild.plan.sides import Side


def compare_with(invocation: Invocation, selected: Selected, name: str) -> None:
    """Let an invocation give reasons by a run or git ref; raises UsageError for what is neither."""
    session, request = invocation.session, invocation.request
    run = named(session, name, Path(selected.workspace.root))
    if run is None:
        ends = Ends(session, request, selected, name, invocation.comparison.listings, fetch=True)
        invocation.comparison.compare = cache(ends.then)
    else:
        record = run.record

        def sides(labels: tuple[str, ...]) -> Side:
            check(record, labels, invocation.comparison.place)
            return read_side(record.document)

        invocation.comparison.compare = sides


def named(session: Session, name: str, root: Path) -> Run | None:
    """Return the run that a name means (see Log.find); None where it is a git ref."""
    log = Log(session.storage)
    try:
        return log.find(name, str(root))
    except UsageError as error:
        several = error if "runs begin so" in error.message else None
    try:
        repository = Repository(root)
    except UsageError:
        known: list[str] = []
    else:
        if repository.is_ref(name):
            return None
        known = repository.refs()
    if several is not None:
        raise several
    close = nearest(name, [*log.names(), *known])
    raise UsageError(
        f"--against {name}: there is no run and no git ref of that name",
        hint=f"did you mean {close!r}?" if close else "mkbuild log lists runs, git branch -a refs",
    )


def check(record: Record, labels: tuple[str, ...], place: str) -> None:
    """Refuse a run that cannot be compared with; raises UsageError."""
    document = record.document
    if document["workspace"] != place:
        message = f"run {record.name} was one of {document['workspace'] or 'no workspace'}"
        raise UsageError(message, hint="without --against the last build here is taken")
    absent = [label for label in labels if label not in document["targets"]]
    if absent:
        built = ", ".join(document["targets"]) or "nothing"
        raise UsageError(f"run {record.name} did not build {absent[0]}; it built {built}")
