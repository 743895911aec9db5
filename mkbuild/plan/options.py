"""What a plan is made with, besides the Dockerfile, and what it asks of the outside."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, Protocol, TypeAlias

from mkbuild.frozen import frozen
from mkbuild.location import Location
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import ContextInput
from mkbuild.plan.image import PlannedImage


@frozen
class PlanOptions:
    """Settings of one image.

    ``target``: label of the image in reports; ``stage``: which stage to build, empty for the last.
    ``explicit_platform``: the user named ``platform``, so the result carries it whatever the base
    says. ``contexts``: names of named contexts. ``no_cache_stages``: their steps always run.
    """

    target: str = "image"
    stage: str = ""
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    platform: Platform = field(default_factory=Platform)
    build_platform: Platform = field(default_factory=Platform)
    explicit_platform: bool = False
    commit: Literal["implicit", "explicit"] = "implicit"
    contexts: frozenset[str] = frozenset()
    network: str = "default"
    hosts: tuple[tuple[str, str], ...] = ()
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    epoch: int | None = None


Outside: TypeAlias = PlannedImage | ContextInput
"""What a name outside the Dockerfile turns out to be: an image, or a directory of files."""


class Outsides(Protocol):
    """Finds what a Dockerfile refers to outside itself."""

    def image(self, name: str, platform: Platform, location: Location) -> PlannedImage:
        """Return an image by its reference or target name; raises PullError, located."""
        ...

    def context(self, name: str, platform: Platform, location: Location) -> Outside:
        """Return a named context of the options."""
        ...
