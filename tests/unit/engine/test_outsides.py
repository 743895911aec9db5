"""What a Dockerfile's outside names turn out to be."""

from typing import Any

import pytest

from mkbuild.buildfile.target import (
    DirectoryContext,
    ImageContext,
    LayoutContext,
    Target,
    TargetContext,
)
from mkbuild.engine.outsides import TargetOutsides
from mkbuild.errors import DockerfileError, PullError
from mkbuild.location import Location
from mkbuild.oci.model import Platform
from mkbuild.oci.reference import Reference
from mkbuild.plan.actions import ContextInput
from mkbuild.plan.image import PlannedImage
from tests.support.planning import AMD64, outside

HERE = Location("Dockerfile", 3)


def outsides(**contexts: Any) -> TargetOutsides:
    target = Target(
        label="api",
        name="api",
        location=Location("BUILD.yaml", 2),
        context=DirectoryContext("/api"),
        dockerfile="/api/Dockerfile",
        contexts=contexts,
    )

    def pull(reference: Reference, platform: Platform) -> PlannedImage:
        if reference.repository == "library/bsae":
            raise PullError("there is none", hint="look elsewhere")
        return outside(str(reference), platform)

    return TargetOutsides(
        target,
        find_target={"base": "base", "api": "api"}.get,
        planned=lambda label, platform: outside(f"target {label}", platform),
        registry=pull,
        layout=lambda source, platform: outside(source.path, platform),
        known=["base", "tool"],
    )


def test_a_target_comes_before_a_registry_but_never_oneself() -> None:
    found = outsides()
    assert found.image("base", AMD64, HERE).base.name == "target base"
    assert found.image("api", AMD64, HERE).base.name == "docker.io/library/api:latest"


def test_a_name_that_is_nowhere_may_be_a_mistyped_target() -> None:
    with pytest.raises(PullError) as caught:
        outsides().image("bsae", AMD64, HERE)
    assert caught.value.location == HERE
    assert caught.value.hint == "did you mean 'base'?"


def test_what_is_no_reference_says_how_to_name_it() -> None:
    with pytest.raises(DockerfileError, match="neither a stage, a target") as caught:
        outsides().image("Not A Name", AMD64, HERE)
    assert caught.value.hint is not None
    assert "contexts:" in caught.value.hint


def test_each_kind_of_context() -> None:
    found = outsides(
        lib=DirectoryContext("/lib"),
        tools=ImageContext("alpine:3"),
        old=LayoutContext("/layout"),
        gen=TargetContext("base"),
        lost=TargetContext("nobody"),
    )
    assert found.context("lib", AMD64, HERE) == ContextInput("api", "lib")
    for name, base in (
        ("tools", "docker.io/library/alpine:3"),
        ("old", "/layout"),
        ("gen", "target base"),
    ):
        image = found.context(name, AMD64, HERE)
        assert isinstance(image, PlannedImage)
        assert image.base.name == base
    with pytest.raises(DockerfileError, match="'nobody'"):
        found.context("lost", AMD64, HERE)
