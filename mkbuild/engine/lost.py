"""Cached results whose bytes are gone: which step has to run again."""

from mkbuild.action import ActionKey, StateID
from mkbuild.engine.executor import state_producers
from mkbuild.engine.resolution import Resolution
from mkbuild.errors import BuildError
from mkbuild.execute.states import LostStateError, States
from mkbuild.schedule.local import Outcome


def lost_steps(
    outcome: Outcome, resolution: Resolution, *, keep_going: bool
) -> frozenset[ActionKey]:
    """Return the steps whose cached results turned out to be gone, where it is worth going on."""
    if outcome.interrupted or (outcome.failed and not keep_going):
        return frozenset()
    errors = outcome.deferred.values()
    return frozenset(_producer(e, resolution) for e in errors if isinstance(e, LostStateError))


def lost_state(states: States, state: StateID, resolution: Resolution) -> frozenset[ActionKey]:
    """Make a state real; where its bytes are gone, return the step that has to run again."""
    try:
        states.index(state)
        states.trees(state)
    except LostStateError as error:
        return frozenset([_producer(error, resolution)])
    return frozenset()


def _producer(error: LostStateError, resolution: Resolution) -> ActionKey:
    work = state_producers(resolution).get(error.state)
    if work is None:
        raise BuildError(str(error)) from error
    return work.key
