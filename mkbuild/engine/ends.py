"""The two ends of a comparison with a git ref: the workspace as it is, and as it was.

Both are planned by the same engine, no further than to the keys of their steps: no cache is asked,
nothing runs, no layer and no URL is fetched. Images outside are resolved as a build would do it.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from mkbuild.engine.invocation import Invocation
from mkbuild.engine.listings import Listings
from mkbuild.engine.lock import Pins
from mkbuild.engine.request import BuildRequest, DockerfileInput, WorkspaceInput
from mkbuild.engine.revision import Revision
from mkbuild.engine.session import Session
from mkbuild.engine.standins import Checkouts, StandIns
from mkbuild.engine.workspace import Selected, open_workspace
from mkbuild.errors import MkbuildError, UserError
from mkbuild.events import Message
from mkbuild.plan.sides import Side


class Ends:
    """Compares a workspace with what it was at a ref."""

    def __init__(  # noqa: PLR0913 -- what an invocation takes, and the ref
        self,
        session: Session,
        request: BuildRequest,
        selected: Selected,
        ref: str,
        listings: Listings,
        *,
        fetch: bool = False,
    ) -> None:
        """Find the ref; raises UsageError where that cannot be done.

        ``listings`` are told what COPYs of both ends select. ``fetch``: URLs are fetched, so that
        keys are those of builds.
        """
        self._session = session
        self._request = request
        self._selected = selected
        self._ref = ref
        self._shared: Checkouts = {}
        given = request.input
        place = Path(selected.workspace.root)
        if isinstance(given, DockerfileInput) and given.context.startswith("/"):
            place = Path(given.context)
        self.revision = Revision(place, ref, session.directory)
        self.listings = listings
        self._fetch = fetch

    def now(self, labels: tuple[str, ...]) -> Side:
        """Describe targets as they are; raises MkbuildError, as a build would."""
        invocation = self._invocation(self._selected)
        try:
            return invocation.define(labels)
        finally:
            invocation.close()

    def then(self, labels: tuple[str, ...]) -> Side:
        """Describe targets as they were; those are missing that were not there, or were broken."""
        selected = self._loaded()
        if selected is None:
            return Side()
        pins = Pins()
        if self._request.sources.locked is not False:
            pins = self.revision.pins(Path(self._selected.workspace.root))
        invocation = self._invocation(selected, pins)
        invocation.contexts.views = self.revision.views
        invocation.commits.look_from(self.revision.commit, self.revision.tree.into)
        known = tuple(label for label in labels if label in selected.workspace.targets)
        try:
            return self._defined(invocation, known)
        finally:
            invocation.close()

    def _invocation(self, selected: Selected, pins: Pins | None = None) -> Invocation:
        remotes = partial(
            StandIns,
            scratch=self._session.directory,
            shared=self._shared,
            offline=self._request.sources.offline,
        )
        made = None if self._fetch else remotes
        invocation = Invocation(self._session, self._request, selected, pins, made)
        invocation.comparison.listings = self.listings
        return invocation

    def _loaded(self) -> Selected | None:
        """Load the build files as they were; None where there were none that could be loaded."""
        request, given, ref = self._request, self._request.input, self._ref
        if isinstance(given, WorkspaceInput):
            file = self._selected.workspace.evidence.files[0]
            name = self.revision.path(file)
            if name is None or name not in self.revision.tree.entries:
                self._say(f"there was no {Path(file).name} at {ref}: every image is new since then")
                return None
            request = replace(request, input=replace(given, file=file))
        try:
            selected = open_workspace(request, self.revision)
        except UserError as error:
            self._say(f"at {ref} the build files could not be loaded ({error.message})")
            return None
        now = self._selected.workspace
        workspace = self.revision.workspace(selected.workspace)
        workspace = replace(workspace, registries=now.registries, cache=now.cache)
        return Selected(workspace, selected.selection)

    def _defined(self, invocation: Invocation, labels: tuple[str, ...]) -> Side:
        try:
            return invocation.define(labels)
        except MkbuildError as error:
            if len(labels) == 1:
                self._say(f"{labels[0]} could not be built at {self._ref} ({error.message})")
                return Side()
        found = Side()
        for label in labels:
            found = found.over(self._defined(invocation, (label,)))
        return found

    def _say(self, text: str) -> None:
        self._session.emit(Message("info", text))
