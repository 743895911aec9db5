"""How build files look after fmt."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.buildfile.layout import formatted
from mkbuild.errors import BuildFileError

MESSY = """\
# The licence.

# all of them
groups: {default: [a]}~~~


# which ones
images:
  # the first
  a:   {context: .}  # here
  b:
    args:
      TEXT: |
        two~~

        lines
version: 1
""".replace("~", " ")
NEAT = """\
# The licence.

version: 1
# which ones
images:
  # the first
  a:   {context: .}  # here
  b:
    args:
      TEXT: |
        two

        lines
# all of them
groups: {default: [a]}

"""


def test_members_stand_in_order_and_comments_with_them() -> None:
    messy = MESSY.replace("two  \n", "two\n")
    assert formatted(messy, "BUILD.yaml") == NEAT.rstrip("\n") + "\n"


def test_blanks_that_a_text_means_stay() -> None:
    found = formatted(MESSY, "BUILD.yaml")
    assert yaml.safe_load(found) == yaml.safe_load(MESSY)


def test_what_is_neat_stays() -> None:
    neat = NEAT.rstrip("\n") + "\n"
    assert formatted(neat, "BUILD.yaml") == neat


@pytest.mark.parametrize(
    "text",
    ["- a\n", "{version: 1}\n", "version: 1\n---\nversion: 2\n"[:11], "a: &x 1\nimages: *x\n"],
)
def test_what_is_no_plain_mapping_means_the_same(text: str) -> None:
    assert yaml.safe_load(formatted(text, "f")) == yaml.safe_load(text)


def test_no_yaml() -> None:
    with pytest.raises(BuildFileError):
        formatted("a: [\n", "f")


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["version", "images", "groups", "variables", "other"])


@settings(max_examples=40)
@given(st.dictionaries(MEMBERS, VALUES, min_size=1), st.booleans())
def test_nothing_changes_its_meaning(document: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=flow, allow_unicode=True)
    found = formatted(text, "f")
    assert yaml.safe_load(found) == yaml.safe_load(text)
    assert formatted(found, "f") == found
