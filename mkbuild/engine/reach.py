"""States made real for somebody who wants to look at them: no image comes of it."""

from collections.abc import Sequence

from mkbuild.action import ActionKey
from mkbuild.engine.executor import Failures
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.lost import lost_state, lost_steps
from mkbuild.engine.resolution import Resolution
from mkbuild.errors import CancelledError
from mkbuild.plan.actions import Node
from mkbuild.schedule import local


def reach(invocation: Invocation, nodes: Sequence[Node]) -> Resolution:
    """Build what nodes need, and return what is known of them; raises what fails."""
    forced: frozenset[ActionKey] = frozenset()
    failures: Failures = {}
    while True:
        resolver = invocation.resolver(forced)
        resolution = resolver.resolve(nodes)
        _, outcome = invocation.run(resolver, resolution, {}, failures, {})
        lost = lost_steps(outcome, resolution, keep_going=False)
        if outcome.ok:
            states = map(resolution.state, nodes)
            found = [lost_state(invocation.states, state, resolution) for state in states]
            lost = frozenset().union(*found)
        if lost <= forced:
            break
        forced |= lost
    error = local.first_error(outcome)
    if error is not None:
        raise error
    if not outcome.ok:
        raise CancelledError("interrupted")
    return resolution
