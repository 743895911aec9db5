import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.buildfile.overrides import FIELDS, split_key
from mkbuild.buildfile.target import Output, Secret, Target
from mkbuild.errors import BuildFileError
from tests.support.workspace import images, load_texts

BODY = (
    "  api: {args: {A: 1}, tags: [x:1], labels: {a: b}}\n"
    "  cuda-12.4: {context: .}\n"
    "  cuda-12.6: {context: .}\n"
)


def loaded(*overrides: str) -> dict[str, Target]:
    return dict(load_texts(images(BODY), overrides=overrides).targets)


def test_a_value_for_one_and_for_all() -> None:
    targets = loaded(
        "*.pull=never", "api.pull=always", "cuda-12.4.target=x", "cuda-*.no-cache=true"
    )
    assert [target.pull for target in targets.values()] == ["always", "never", "never"]
    assert [target.target for target in targets.values()] == [None, "x", None]
    assert [target.no_cache for target in targets.values()] == [False, True, True]


def test_maps_get_keys_and_lists_add_up() -> None:
    target = loaded(
        "api.args.A=2",
        "api.args.B=a=b,c",
        "api.labels.org.example.x=$y",
        "api.tags=y:1,y:2",
        "api.tags=y:3",
        "api.platform=linux/arm64",
        "api.secrets=id=s,env=E",
        "api.secrets=t",
        "api.output=type=oci,dest=o.tar",
        "api.resources.weight=3",
    )["api"]
    assert target.args == {"A": "2", "B": "a=b,c"}
    assert target.labels == {"a": "b", "org.example.x": "$y"}
    assert target.tags == ("y:1", "y:2", "y:3")
    assert target.platforms == ("linux/arm64",)
    assert target.secrets == (Secret("s", "E"), Secret("t"))
    assert target.outputs == (Output("oci", "/w/o.tar"),)
    assert target.resources.weight == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.pul=x", "--set api.pul=x: unknown key 'pul'; allowed: add_hosts, "),
        (
            "pull=x",
            "--set pull=x: found 'pull'; allowed: PATTERN.KEY\n  hint: for every target, wr",
        ),
        ("api.pull", "--set api.pull: no '='\n  hint: write --set PATTERN.KEY=VALUE"),
        (
            "apu.pull=never",
            "--set apu.pull=never: no target matches 'apu'\n  hint: did you mean 'ap",
        ),
        (
            "api.pull=nevr",
            "--set api.pull=nevr: pull: found 'nevr'; allowed: 'always', 'hourly' or",
        ),
        ("api.args=x", "--set api.args=x: args: found 'x'; allowed: a mapping"),
    ],
)
def test_what_is_wrong_names_the_flag(text: str, expected: str) -> None:
    with pytest.raises(BuildFileError) as raised:
        loaded(text)
    assert str(raised.value).startswith(expected)


def test_a_profile_ranks_between_images_and_flags() -> None:
    text = (
        "version: 1\nvariables: {V: {default: v}}\nimages: {a: {args: {A: own, B: own, C: own}}}\n"
        "profiles: {p: {set: {'*.args': {B: profile, C: '${V}'}, a.args.D: '1.10'}}}\n"
    )
    target = load_texts(text, profiles=["p"], overrides=["a.args.B=flag"]).targets["a"]
    assert target.args == {"A": "own", "B": "flag", "C": "v", "D": "1.10"}


def test_a_profile_is_checked_though_it_is_not_active() -> None:
    text = "version: 1\nimages: {a: {}}\nprofiles: {p: {set: {'*.pull': nevr}}}\n"
    with pytest.raises(BuildFileError, match=r"BUILD.yaml:3:32: profiles.p.set.\*.pull: found"):
        load_texts(text)


def test_a_pattern_of_an_inactive_profile_may_match_nothing() -> None:
    text = "version: 1\nimages: {a: {}}\nprofiles: {p: {set: {'b.pull': never}}}\n"
    assert load_texts(text).targets["a"].pull == "hourly"
    with pytest.raises(BuildFileError, match="no target matches 'b'"):
        load_texts(text, profiles=["p"])


@given(
    st.text(alphabet="abc*-.12", min_size=1).filter(lambda text: text.strip(".") == text),
    st.sampled_from(sorted(FIELDS)),
    st.text(alphabet="xyz_.", max_size=8),
)
def test_a_pattern_may_hold_dots(pattern: str, key: str, subkey: str) -> None:
    text = f"{pattern}.{key}" + (f".{subkey}" if subkey else "")
    assert split_key(text) == (pattern, key, subkey)
