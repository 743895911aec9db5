"""Plans Dockerfiles without a registry: images outside are what a test says they are."""

from dataclasses import replace
from typing import Any

from mkbuild.dockerfile import parser
from mkbuild.errors import PullError
from mkbuild.location import Location
from mkbuild.oci.model import ContainerConfig, ImageConfig, Platform
from mkbuild.plan import keys
from mkbuild.plan.actions import Base, ContextInput
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.options import PlanOptions
from mkbuild.plan.planner import plan

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")


def outside(name: str, platform: Platform = AMD64, **config: Any) -> PlannedImage:
    """Make an image of no layers that is told from others by its platform alone."""
    image = ImageConfig(platform=platform, config=ContainerConfig(**config))
    return PlannedImage(Base(keys.base_state((), platform), name, platform), image)


class Shelf:
    """Outsides by name; asked-for names are noted."""

    def __init__(self, **images: PlannedImage | ContextInput) -> None:
        self.images = images
        self.asked: list[str] = []

    def image(self, name: str, platform: Platform, location: Location) -> PlannedImage:
        """Return an image, or fail as a registry does."""
        self.asked.append(name)
        found = self.images.get(name)
        if isinstance(found, PlannedImage):
            return found
        raise PullError(f"there is no {name} for {platform}", location=location)

    def context(
        self, name: str, platform: Platform, location: Location
    ) -> PlannedImage | ContextInput:
        """Return a named context."""
        found = self.images[name]
        return found if isinstance(found, ContextInput) else self.image(name, platform, location)


def planned(
    text: str, shelf: Shelf | None = None, options: PlanOptions | None = None, **changes: Any
) -> PlannedImage:
    """Plan a Dockerfile; ``changes`` are members of the options."""
    given = replace(options or PlanOptions(), **changes)
    names = Shelf(busybox=outside("busybox")) if shelf is None else shelf
    return plan(parser.parse(text, "Dockerfile"), given, names)
