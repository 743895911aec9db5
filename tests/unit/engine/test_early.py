"""Where layers go early."""

from mkbuild.buildfile.target import DirectoryContext, Target
from mkbuild.engine.early import places
from mkbuild.engine.request import Publishing
from mkbuild.location import Location
from mkbuild.oci.reference import parse


def target(label: str, *tags: str, publish: bool = True) -> Target:
    context = DirectoryContext("/work")
    place = Location("BUILD.yaml")
    return Target(label, label, place, context, "/work/Dockerfile", tags=tags, publish=publish)


TARGETS = {
    "two": target("two", "r.io/a/two:1", "r.io/b/two:1"),
    "none": target("none"),
    "private": target("private", "r.io/a/private:1", publish=False),
    "late": target("late", "r.io/a/late:${inputs.digest}"),
    "unknown": target("unknown", "r.io/a/${inputs.digest}/unknown:1"),
}


def test_the_first_repository_of_each() -> None:
    found = places(TARGETS, Publishing(push=True))
    assert {label: (place.registry, place.repository) for label, place in found.items()} == {
        "two": ("r.io", "a/two"),
        "late": ("r.io", "a/late"),
    }


def test_other_registries_in_their_place() -> None:
    found = places(TARGETS, Publishing(push=True, registries=("other.io",)))
    assert found["two"] == parse("other.io/a/two:1")


def test_nothing_without_push() -> None:
    assert places(TARGETS, Publishing()) == {}
