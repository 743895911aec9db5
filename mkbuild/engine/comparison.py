"""What an invocation planned, beside what it was before: why steps run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mkbuild.action import ActionKey
from mkbuild.buildfile.target import GitContext, Target
from mkbuild.engine.bases import Bases
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.listings import Listings
from mkbuild.engine.log import Log
from mkbuild.engine.planning import Planning
from mkbuild.engine.reasons import before, not_cached, reasons
from mkbuild.engine.request import BuildRequest, DockerfileInput
from mkbuild.engine.resolution import Resolution
from mkbuild.engine.session import Session
from mkbuild.engine.side import Surroundings, side_of
from mkbuild.errors import ExpectedCachedError
from mkbuild.plan.actions import CONTEXT, Base, ContextInput
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.sides import Side

Planned = Iterable[tuple[str, PlannedImage]]
"""Images with their labels."""


class Comparison:
    """Compares what was planned with its last build, or with what ``compare`` tells."""

    def __init__(
        self,
        session: Session,
        request: BuildRequest,
        planning: Planning,
        bases: Bases,
        contexts: Contexts,
    ) -> None:
        """Bind to the parts that know what was planned."""
        given = request.input
        self._lone = isinstance(given, DockerfileInput)
        self.place = (
            given.context if isinstance(given, DockerfileInput) else planning.workspace.root
        )
        """Where labels count: the workspace, or the context of a lone Dockerfile."""
        self._log = Log(session.storage)
        self._always = request.caches.always
        self._targets = planning.targets
        self._planning = planning
        self._bases = bases
        self._contexts = contexts
        self.listings = Listings(session.storage)
        self.compare: Callable[[tuple[str, ...]], Side] | None = None
        """Tells what targets consisted of before; None for their last builds."""

    def side(self, planned: Planned, resolution: Resolution | None) -> Side:
        """Describe what was planned; empty where no keys are known."""
        if resolution is None:
            return Side()
        around = Surroundings(self._target, self._digest, self._planning.created, self._origin)
        return side_of(planned, resolution, around)

    def past(self, planned: Planned) -> Side:
        """Describe what was planned as it was before."""
        labels = tuple(dict.fromkeys(label for label, _ in planned))
        if self.compare is not None:
            return self.compare(labels)
        return before(self._log.built(labels, self.place))

    def reasons(self, planned: Planned, resolution: Resolution) -> Mapping[ActionKey, str]:
        """Say of each step without a result why it runs, in a line."""
        pending = resolution.pending()
        if not pending:
            return {}
        now, past = self.side(planned, resolution), self.past(planned)
        return reasons(now, past, pending, self.listings, always=self._always)

    def not_cached(
        self, planned: Planned, resolution: Resolution, why: Mapping[ActionKey, str]
    ) -> ExpectedCachedError:
        """Return the error of a build that was to find everything cached."""
        now, past = self.side(planned, resolution), self.past(planned)
        return not_cached(now, past, resolution.pending(), why)

    def _target(self, label: str) -> Target:
        # The names of a lone Dockerfile's image are a matter of its command line alone.
        target = self._targets[label]
        return replace(target, tags=()) if self._lone else target

    def _digest(self, base: Base) -> str:
        return self._bases.digest(base) if self._bases.descriptors(base) else ""

    def _origin(self, source: ContextInput) -> str:
        target = self._targets[source.target]
        context = target.context if source.name == CONTEXT else target.contexts[source.name]
        if isinstance(context, GitContext):
            return context.url
        shown = self._planning.dockerfiles.display(self._contexts.directory(source))
        return "" if shown == "." else shown
