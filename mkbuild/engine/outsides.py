"""What a Dockerfile refers to outside itself: other targets, images elsewhere, directories."""

from collections.abc import Callable, Collection
from typing import assert_never

from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.target import (
    DirectoryContext,
    GitContext,
    ImageContext,
    LayoutContext,
    Target,
    TargetContext,
)
from mkbuild.errors import DockerfileError, MkbuildError, UserError
from mkbuild.location import Location
from mkbuild.oci import reference as references
from mkbuild.oci.model import Platform
from mkbuild.oci.reference import Reference
from mkbuild.plan.actions import ContextInput
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.planner import scratch

Planned = Callable[[str, Platform], PlannedImage]
"""Plans another target, by label."""

FromRegistry = Callable[[Reference, Platform], PlannedImage]
FromLayout = Callable[[LayoutContext, Platform], PlannedImage]


class TargetOutsides:
    """Outsides of one target (mkbuild.plan.options.Outsides)."""

    def __init__(  # noqa: PLR0913 -- the ways out
        self,
        target: Target,
        *,
        find_target: Callable[[str], str | None],
        planned: Planned,
        registry: FromRegistry,
        layout: FromLayout,
        known: Collection[str] = (),
    ) -> None:
        """``find_target``: label of the target that a name or tag means, None for others.

        ``known``: names of targets, one of which may have been meant by a name that is nowhere.
        """
        self._target = target
        self._find_target = find_target
        self._planned = planned
        self._registry = registry
        self._layout = layout
        self._known = known

    def image(self, name: str, platform: Platform, location: Location) -> PlannedImage:
        """Return a target's image, else one from a registry."""
        label = self._find_target(name)
        if label is not None and label != self._target.label:
            return self._planned(label, platform)
        return self._pulled(name, platform, location)

    def context(
        self, name: str, platform: Platform, location: Location
    ) -> PlannedImage | ContextInput:
        """Return a named context."""
        source = self._target.contexts[name]
        match source:
            case DirectoryContext() | GitContext():
                return ContextInput(self._target.label, name)
            case ImageContext("scratch"):
                return scratch(platform)
            case ImageContext(reference):
                return self._pulled(reference, platform, location)
            case LayoutContext():
                try:
                    return self._layout(source, platform)
                except MkbuildError as error:
                    raise error.at(location) from None
            case TargetContext(other):
                label = self._find_target(other)
                if label is None:
                    message = f"contexts.{name} names target {other!r}, and there is none"
                    raise DockerfileError(message, location=self._target.location)
                return self._planned(label, platform)
            case _ as never:
                assert_never(never)

    def _pulled(self, name: str, platform: Platform, location: Location) -> PlannedImage:
        try:
            reference = references.parse(name)
        except UserError as error:
            raise DockerfileError(
                f"{name!r} is neither a stage, a target nor an image reference: {error.message}",
                location=location,
                hint=f"contexts: {{{name}: …}} in the build file can say what it is",
            ) from None
        try:
            return self._registry(reference, platform)
        except MkbuildError as error:
            error.hint = did_you_mean(name, self._known) or error.hint
            raise error.at(location) from None
