import pytest

from mkbuild.buildfile.target import DirectoryContext, ImageContext, Secret
from mkbuild.errors import BuildFileError
from tests.support.workspace import images, load_texts


def test_later_parents_win_and_own_settings_most() -> None:
    text = images(
        "  _a: {args: {A: a, B: a, C: a}, pull: never, target: a}\n"
        "  _b: {args: {B: b, C: b}, target: b}\n"
        "  c: {inherits: [_a, _b], args: {C: c}}\n"
    )
    target = load_texts(text).targets["c"]
    assert target.args == {"A": "a", "B": "b", "C": "c"}
    assert (target.pull, target.target) == ("never", "b")


def test_maps_and_secrets_merge_lists_replace_tags_stay() -> None:
    text = images(
        "  a:\n"
        "    tags: [x:1]\n"
        "    platforms: [linux/amd64, linux/arm64]\n"
        "    labels: {l: a, m: a}\n"
        "    contexts: {p: 'docker-image://p', q: 'docker-image://q'}\n"
        "    secrets: [{id: s, env: A}, {id: t, env: T}]\n"
        "    groups: [g]\n"
        "    outputs: [{type: oci, dest: x}]\n"
        "  b:\n"
        "    inherits: [a]\n"
        "    platforms: [linux/arm64]\n"
        "    labels: {m: b}\n"
        "    contexts: {q: 'docker-image://r'}\n"
        "    secrets: [{id: s, env: B}]\n"
    )
    target = load_texts(text).targets["b"]
    assert target.tags == ()
    assert target.outputs == ()
    assert target.platforms == ("linux/arm64",)
    assert target.labels == {"l": "a", "m": "b"}
    assert target.contexts == {"p": ImageContext("p"), "q": ImageContext("r")}
    assert target.secrets == (Secret("s", "B"), Secret("t", "T"))
    assert target.groups == ("g",)


def test_paths_stay_where_they_were_written() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: [d/BUILD.yaml]\n"
        "images: {a: {context: src, dockerfile: x/Dockerfile, depends_on: [t]}, t: {}}\n",
        "d/BUILD.yaml": "version: 1\nimages: {b: {inherits: [a]}, t: {}}\n",
        "src/f": "",
    }
    target = load_texts(files).targets["//d:b"]
    assert target.context == DirectoryContext("/w/src")
    assert target.dockerfile == "/w/src/x/Dockerfile"
    assert target.depends_on == ("t",)


def test_an_inline_dockerfile_takes_the_place_of_a_file() -> None:
    text = images(
        "  a: {dockerfile: x}\n"
        "  b: {inherits: [a], dockerfile_inline: FROM y}\n"
        "  c: {inherits: [b], dockerfile: z}\n"
    )
    targets = load_texts(text).targets
    assert targets["b"].dockerfile_inline == "FROM y"
    assert (targets["c"].dockerfile_inline, targets["c"].dockerfile) == (None, "/w/z")


def test_matrix_targets_are_inherited_by_their_name() -> None:
    text = images(
        "  a: {name: 'a-${matrix.k}', matrix: {k: [1, 2]}, args: {K: '${matrix.k}'}}\n"
        "  b: {inherits: [a-2]}\n"
    )
    assert load_texts(text).targets["b"].args == {"K": "2"}


def test_a_long_chain() -> None:
    body = "  a0: {args: {A: x}}\n"
    body += "".join(f"  a{i}: {{inherits: [a{i - 1}]}}\n" for i in range(1, 3000))
    assert load_texts(images(body)).targets["a2999"].args == {"A": "x"}


def test_a_cycle_is_named_in_full() -> None:
    with pytest.raises(BuildFileError) as raised:
        load_texts(
            images("  a: {inherits: [b]}\n  b: {inherits: [x, c]}\n  c: {inherits: [a]}\n  x: {}")
        )
    path = raised.value.message.rpartition(": ")[2]
    steps = path.split(" → ")
    assert steps[0] == steps[-1]
    assert "a → b → c → a" in " → ".join([*steps[:-1], *steps])
    assert raised.value.location is not None
    line = {"a": 3, "b": 4, "c": 5}[steps[0]]
    assert raised.value.location.line == line


def test_an_unknown_parent() -> None:
    with pytest.raises(BuildFileError) as raised:
        load_texts(images("  apis: {}\n  b: {inherits: [api]}\n"))
    assert str(raised.value) == (
        "/w/BUILD.yaml:4:18: images.b.inherits: there is no image 'api'\n"
        "  hint: did you mean 'apis'?"
    )
