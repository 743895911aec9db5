"""A planned image: which states make its layers, and what its config will say."""

from collections.abc import Callable, Iterable
from dataclasses import field, replace
from itertools import pairwise
from typing import TypeAlias

from mkbuild.action import StateID
from mkbuild.digest import Digest
from mkbuild.frozen import frozen
from mkbuild.oci.model import History, ImageConfig
from mkbuild.plan.actions import Action, Base, Node
from mkbuild.plan.history import COMMENT

StateOf: TypeAlias = Callable[[Node], StateID]
"""Tells the state of a node once it is known."""


@frozen
class Link:
    """A step of an image's chain; ``cut``: a layer ends here (DESIGN section 6)."""

    action: Action
    cut: bool


@frozen
class HistoryLine:
    """A line of history; ``action`` is the step it tells of, None where it makes no layer."""

    created_by: str
    action: Action | None = None


@frozen
class PlannedImage:
    """An image before anything ran.

    ``config`` holds the base's diff IDs and history, and everything else as it will be;
    ``history`` is what the chain adds to it, in order. ``epoch``: when the Dockerfile's
    SOURCE_DATE_EPOCH says that the image was created, in seconds since 1970.
    """

    base: Base
    config: ImageConfig
    chain: tuple[Link, ...] = ()
    history: tuple[HistoryLine, ...] = field(default=())
    epoch: int | None = None

    @property
    def node(self) -> Node:
        """The node whose state is the image's filesystem."""
        return self.chain[-1].action if self.chain else self.base

    def spans(self) -> Iterable[tuple[Node, Node]]:
        """Return the nodes that the image's layers lie between."""
        nodes: list[Node] = [self.base, *(link.action for link in self.chain if link.cut)]
        return pairwise(nodes)

    def layer_spans(self, state_of: StateOf) -> list[tuple[StateID, StateID, Action]]:
        """Return the (state before, state after, last action) of each layer above the base.

        Spans between cuts whose states are equal make no layer.
        """
        spans = []
        before = state_of(self.base)
        for link in self.chain:
            after = state_of(link.action)
            if link.cut and after != before:
                spans.append((before, after, link.action))
                before = after
        return spans

    def finish(self, state_of: StateOf, diff_ids: tuple[Digest, ...], created: str) -> ImageConfig:
        """Return the config, given the states of all nodes and the diff IDs of the spans."""
        layered = {id(action) for _, _, action in self.layer_spans(state_of)}
        lines = tuple(
            History(
                created=created,
                created_by=line.created_by,
                comment=COMMENT,
                empty_layer=line.action is None or id(line.action) not in layered,
            )
            for line in self.history
        )
        return replace(
            self.config,
            created=created,
            diff_ids=self.config.diff_ids + diff_ids,
            history=_fitted(self.config.history, len(self.config.diff_ids)) + lines,
        )


def _fitted(history: tuple[History, ...], layers: int) -> tuple[History, ...]:
    """Make a base's history tell of as many layers as it has, as BuildKit does.

    Some bases tell less than there is, or nothing; what is missing is added, and lines too many
    are said to have made no layer.
    """
    telling = [number for number, line in enumerate(history) if not line.empty_layer]
    missing = layers - len(telling)
    if missing >= 0:
        return history + (History(comment="missing history of the base"),) * missing
    fitted = list(history)
    for number in telling[:-missing]:
        fitted[number] = replace(fitted[number], empty_layer=True)
    return tuple(fitted)
