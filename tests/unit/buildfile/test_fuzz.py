"""Build files made of the right words in wrong places: a workspace, or a located error."""

from dataclasses import replace
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.buildfile.models import DocumentModel, ImageModel, SettingsModel
from mkbuild.buildfile.target import Target
from mkbuild.errors import BuildFileError
from tests.support.workspace import load_texts

WORDS = st.sampled_from(
    [
        "a", "b", "_t", "all", ".", "x:1", "${V}", "${matrix.k}", "${git.sha}", "${inputs.digest}",
        "${env.X:-1}", "$", "${", "target:a", "docker-image://x", "oci-layout:x", "https://x/r#y",
        "linux/amd64", "explicit", "true", "1", "14d", "40GB", "@a", "!a", "a-${matrix.k}",
        "*.pull",
    ]
)  # fmt: skip
SCALARS = st.one_of(WORDS, st.none(), st.booleans(), st.integers(-1, 3))
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
GOOD = st.sampled_from(["a", "x:1", "${V}", "${env.X:-1}", "$", "${git.sha}", "target:a"])
TEXTS = st.dictionaries(WORDS, GOOD, max_size=2)
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "args": TEXTS,
    "contexts": TEXTS,
    "labels": TEXTS,
    "matrix": st.dictionaries(st.just("k"), st.lists(WORDS, min_size=1, max_size=2), max_size=1),
    "inherits": st.sampled_from([[], ["_t"], ["a"], ["b"]]),
    "depends_on": st.sampled_from([[], ["a"], ["b"]]),
    "secrets": st.lists(st.fixed_dictionaries({"id": GOOD}), max_size=2),
    "resources": st.fixed_dictionaries({"weight": st.integers(1, 2)}),
    "platforms": st.just(["linux/amd64"]),
    "tags": st.lists(GOOD, max_size=2),
    "groups": st.just(["g"]),
    "commit": st.just("explicit"),
    "publish": st.sampled_from([True, "${V}"]),
    "context": st.sampled_from([".", "https://x/r#${V}"]),
}


def members(model: type[SettingsModel]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings of a few of a model's members, mostly of the right shape."""
    fitting = sorted(FITTING.keys() & model.model_fields)
    every = sorted(model.model_fields)
    names = st.lists(st.sampled_from([*fitting * 3, *every]), max_size=3, unique=True)
    return names.flatmap(
        lambda chosen: st.fixed_dictionaries(
            {name: st.one_of([FITTING.get(name, WORDS)] * 4 + [SCALARS]) for name in chosen}
        )
    )


DOCUMENTS = st.fixed_dictionaries(
    {"version": st.just(1)},
    optional={
        "variables": st.just({"V": {"default": "1"}}),
        "defaults": members(SettingsModel),
        "images": st.dictionaries(
            st.sampled_from(["a", "b", "_t"]), members(ImageModel), min_size=1, max_size=3
        ),
        "groups": st.dictionaries(st.sampled_from("gh"), st.lists(WORDS, max_size=2), max_size=2),
    },
)


def outcome(document: dict[str, Any]) -> list[Target] | str:
    try:
        return list(load_texts(yaml.safe_dump(document), git={"sha": "s"}).targets.values())
    except BuildFileError as error:
        return str(error)


@settings(max_examples=100, deadline=None)
@given(DOCUMENTS)
def test_right_words_in_wrong_places(document: dict[str, Any]) -> None:
    found = outcome(document)
    if isinstance(found, str):
        assert "BUILD.yaml:" in found
    else:
        resolved = [replace(target, dockerfile_inline=None) for target in found]
        assert "${V}" not in repr(resolved)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(DocumentModel.model_fields)), WORDS), ANYTHING, max_size=5
    )
)
def test_anything_at_all(document: dict[str, Any]) -> None:
    found = outcome(document)
    assert not isinstance(found, str) or "BUILD.yaml:" in found
