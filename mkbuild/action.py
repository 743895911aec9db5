"""Action keys, state IDs, and what the action cache remembers of a step (DESIGN: keys)."""

from dataclasses import field
from typing import NewType

from mkbuild.digest import Digest
from mkbuild.frozen import frozen

ActionKey = NewType("ActionKey", str)
"""Digest of all that can influence a step's result (a definition key or a content key)."""

StateID = NewType("StateID", str)
"""Digest that names a filesystem at one point of a stage, whoever made it."""


@frozen
class StepResult:
    """What one step made of its input states.

    ``inputs``: every input state it was made on, the parent first. ``state``: the state after it.
    ``toc``: digest of the canonical diff's TOC, None where the step changed nothing.
    ``lossy``: one id could not hold all owners (a chown was swallowed, or others' files looked like
    root's), so that another machine may get something else: never leaves the machine.
    ``seconds``: how long it ran, for plans.
    """

    inputs: tuple[StateID, ...]
    state: StateID
    toc: Digest | None
    lossy: bool = False
    seconds: float = field(default=0.0, compare=False)


@frozen
class LayerRecord:
    """A layer: the difference between two states, as a blob.

    ``digest``, ``size`` and ``media_type`` describe the (compressed) blob; ``diff_id`` its tar;
    ``toc`` the TOC of the difference.
    """

    digest: Digest
    size: int
    media_type: str
    diff_id: Digest
    toc: Digest


StatePair = tuple[StateID, StateID]
