"""Where layers go early."""

import pytest

from mkbuild.buildfile.target import DirectoryContext, Target
from mkbuild.engine.early import place_of
from mkbuild.engine.request import Publishing
from mkbuild.location import Location
from mkbuild.oci.reference import parse


def target(label: str, *tags: str, publish: bool = True) -> Target:
    context = DirectoryContext("/work")
    place = Location("BUILD.yaml")
    return Target(label, label, place, context, "/work/Dockerfile", tags=tags, publish=publish)


@pytest.mark.parametrize(
    ("tags", "place"),
    [
        (("r.io/a/two:1", "r.io/b/two:1"), "r.io/a/two"),
        (("r.io/a/late:${inputs.digest}",), "r.io/a/late"),
        (("r.io/a/${inputs.digest}/unknown:1",), None),
        (("r.io/UPPER/case:1",), None),
        ((), None),
    ],
)
def test_the_first_repository(tags: tuple[str, ...], place: str | None) -> None:
    found = place_of(target("a", *tags), Publishing(push=True))
    assert (found and f"{found.registry}/{found.repository}") == place


def test_another_registry_in_its_place() -> None:
    publishing = Publishing(push=True, registries=("other.io",))
    assert place_of(target("a", "r.io/a/two:1"), publishing) == parse("other.io/a/two:1")


def test_nowhere() -> None:
    assert place_of(target("a", "r.io/a/two:1"), Publishing()) is None
    private = target("a", "r.io/a/two:1", publish=False)
    assert place_of(private, Publishing(push=True)) is None
