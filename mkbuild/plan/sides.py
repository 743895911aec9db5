"""What a build consisted of, as records keep it: for comparing one build with another."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

Listing: TypeAlias = Callable[[str], Mapping[str, str] | None]
"""Gives what a COPY selected, by the digest in its key: ``type mode content`` by path."""


@dataclass(frozen=True, slots=True)
class BaseImage:
    """An image from outside: its name, and the digest of its manifest where it is known."""

    name: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
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
    def title(self) -> str:
        """Its first line."""
        return self.instruction.partition("\n")[0].removesuffix("\\").rstrip()


@dataclass(frozen=True)
class Side:
    """What one build consisted of: its steps in order, and the images it stood on by state."""

    steps: Mapping[str, Step] = field(default_factory=dict)
    bases: Mapping[str, BaseImage] = field(default_factory=dict)

    @cached_property
    def by_text(self) -> Mapping[tuple[str, str, str], tuple[Step, ...]]:
        """Steps by where and how they are written."""
        found: dict[tuple[str, str, str], tuple[Step, ...]] = {}
        for step in self.steps.values():
            name = (step.target, step.stage, step.instruction)
            found[name] = (*found.get(name, ()), step)
        return found
