"""What a build consisted of, as records keep it: for comparing one build with another."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any, TypeAlias

from mkbuild.frozen import frozen

_POSITION = re.compile(r"(:\d+){1,2}\Z")

Listing: TypeAlias = Callable[[str], Mapping[str, str] | None]
"""Gives what a COPY selected, by the digest in its key: ``type mode content`` by path."""


@frozen
class BaseImage:
    """An image from outside: its name, and the digest of its manifest where it is known."""

    name: str
    digest: str = ""


@frozen
class Step:
    """A step of either side.

    ``components`` are those of its key as JSON values; ``args`` the names of declared ARGs;
    ``origins`` the directories (as the user sees them) that the digests in ``files`` are of.
    """

    key: str
    target: str
    stage: str
    instruction: str
    location: str
    components: Mapping[str, Any]
    args: frozenset[str] = frozenset()
    origins: tuple[str, ...] = ()

    @property
    def parents(self) -> Sequence[str]:
        """Keys or states of what it reads, its parent first."""
        found: Sequence[str] = self.components.get("parents", ())
        return found

    @property
    def places(self) -> tuple[str, str]:
        """Where it belongs: its target, and the Dockerfile that it is written in.

        What several targets share is noted as a step of one of them; the file is the same.
        """
        return f"target {self.target}", _POSITION.sub("", self.location)

    @property
    def title(self) -> str:
        """Its first line."""
        return self.instruction.partition("\n")[0].removesuffix("\\").rstrip()


@frozen
class Image:
    """An image of one platform: ``end`` is the key of its last step, or the state of its base.

    ``base``: the state of the image from outside that it stands on. ``settings``: all else that
    tells it from another one, by name, as JSON values: members of its config as the image spec
    names them, and ``architecture base compression created history layers os outputs publish tags``
    (see mkbuild.engine.side).
    """

    end: str
    base: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Side:
    """What one build consisted of.

    Its steps in order, by key; the images from outside that it stood on, by state; the images that
    it made, by target and platform. Two sides of a target are the same where their images are.
    """

    steps: Mapping[str, Step] = field(default_factory=dict)
    bases: Mapping[str, BaseImage] = field(default_factory=dict)
    images: Mapping[str, Mapping[str, Image]] = field(default_factory=dict)

    def of(self, label: str) -> "Side":
        """Return what belongs to one target."""
        images = self.images.get(label, {})
        needed: set[str] = set()
        todo = [image.end for image in images.values()]
        while todo:
            key = todo.pop()
            if key not in needed:
                needed.add(key)
                todo += self.steps[key].parents if key in self.steps else ()
        return Side(
            {key: step for key, step in self.steps.items() if key in needed},
            {state: base for state, base in self.bases.items() if state in needed},
            {label: images} if images else {},
        )

    def over(self, older: "Side") -> "Side":
        """Return this side, and what an older one has besides; this counts where both differ."""
        return Side(
            {**self.steps, **older.steps, **self.steps},
            {**self.bases, **older.bases, **self.bases},
            {**self.images, **older.images, **self.images},
        )

    @cached_property
    def by_text(self) -> Mapping[tuple[str, str, str], tuple[Step, ...]]:
        """Steps by place, stage and how they are written; with no stage, those of all stages."""
        found: dict[tuple[str, str, str], list[Step]] = {}
        for step in self.steps.values():
            for place, stage in product(step.places, {step.stage, ""}):
                found.setdefault((place, stage, step.instruction), []).append(step)
        return {name: tuple(steps) for name, steps in found.items()}

    @cached_property
    def places(self) -> frozenset[str]:
        """All places that steps belong to."""
        return frozenset(place for step in self.steps.values() for place in step.places)
