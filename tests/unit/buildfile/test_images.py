import pytest

from mkbuild.errors import BuildFileError
from tests.support.workspace import images, load_texts


def test_a_matrix_is_the_product_of_its_axes() -> None:
    text = images(
        "  app:\n"
        "    name: 'app-${matrix.os}-${matrix.v}'\n"
        "    matrix: {os: [a, b], v: [1.10, '2']}\n"
        "    args: {V: '${matrix.v}'}\n"
    )
    workspace = load_texts(text)
    assert {name: target.args["V"] for name, target in workspace.targets.items()} == {
        "app-a-1.10": "1.10",
        "app-a-2": "2",
        "app-b-1.10": "1.10",
        "app-b-2": "2",
    }
    assert [item.text for item in workspace.groups["app"].items] == list(workspace.targets)


def test_matrix_values_may_use_variables() -> None:
    text = "version: 1\nvariables: {V: {default: x}}\nimages:\n"
    text += "  a: {name: 'a-${matrix.k}', matrix: {k: ['${V}', y]}}\n"
    assert list(load_texts(text).targets) == ["a-x", "a-y"]


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        ("{matrix: {k: [x]}}", "a matrix needs a name", 'write name: "a-${matrix.k}"'),
        ("{name: 'a-${matrix.l}', matrix: {k: [x]}}", "not in this image's matrix", None),
        ("{name: b, matrix: {k: [x, y]}}", "b is declared at /w/BUILD.yaml:3:3 already", None),
        ("{name: 'a-${matrix.k}', matrix: {k: []}}", "matrix.k: found an empty list", None),
        ("{name: 'a-${matrix.k}', matrix: {k: x}}", "matrix.k: found 'x'", None),
        ("{name: 'a-${matrix.k}', matrix: {k: [[]]}}", "matrix.k[0]: found a list", None),
        ("{name: 'a-${matrix.k}', matrix: {k: [x/y]}}", "the name 'a-x/y'", None),
        (
            f"{{name: x, matrix: {{k: {list(range(40))}, l: {list(range(40))}}}}}",
            "1600 combinations; allowed: 1000",
            None,
        ),
    ],
)
def test_what_is_wrong_with_a_matrix(body: str, message: str, hint: str | None) -> None:
    with pytest.raises(BuildFileError) as raised:
        load_texts(images(f"  a: {body}\n"))
    assert message in raised.value.message
    assert hint is None or raised.value.hint == hint


def test_a_template_is_no_target() -> None:
    workspace = load_texts(images("  _t: {context: nowhere, args: {A: 1}}\n  a: {context: .}\n"))
    assert list(workspace.targets) == ["a"]
