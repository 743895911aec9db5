import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.buildfile.interpolate import (
    TemplateError,
    expand,
    needs_inputs,
    resolve_inputs,
)

VALUES = {"A": "1", "EMPTY": "", "env.HOME": "/root", "matrix.cuda-version": "12"}


def lookup(name: str, optional: bool) -> str | None:
    if name not in VALUES and not optional:
        message = f"{name} is unknown"
        raise TemplateError(message)
    return VALUES.get(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "1"),
        ("x${A}y${A}z", "x1y1z"),
        ("$A $ $", "$A $ $"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("$$${A}", "$1"),
        ("${env.HOME}", "/root"),
        ("${matrix.cuda-version}", "12"),
        ("${B:-x}", "x"),
        ("${B:-}", ""),
        ("${A:-x}", "1"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY}", ""),
        ("${B:-${A}}", "1"),
        ("${B:-${C:-deep}}!", "deep!"),
        ("${B:-a:-b}", "a:-b"),
        ("${B:-$$}", "$"),
        ("${inputs.digest}", "${inputs.digest}"),
        ("${B:-${inputs.commit}}", "${inputs.commit}"),
    ],
)
def test_expand(text: str, expected: str) -> None:
    assert expand(text, lookup) == expected


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("${", 0, "without its '}'"),
        ("ab${A", 2, "without its '}'"),
        ("${B:-${A}", 0, "without its '}'"),
        ("x${}", 3, "is not a variable"),
        ("${A B}", 2, "is not a variable"),
        ("${1}", 2, "is not a variable"),
        ("${A?x}", 2, "is not a variable"),
        ("${a.b.c}", 2, "is not a variable"),
        ("12${B}", 4, "B is unknown"),
        ("${C:-12${B}}", 9, "B is unknown"),
        ("${inputs.digest:-x}", 2, "takes no default"),
        ("$${inputs.digest}", 0, "could not be told"),
    ],
)
def test_errors_have_an_offset(text: str, offset: int, message: str) -> None:
    with pytest.raises(TemplateError) as raised:
        expand(text, lookup)
    assert raised.value.offset == offset
    assert message in raised.value.message


def test_defaults_nest_only_so_far() -> None:
    with pytest.raises(TemplateError, match="nested more than 16 deep"):
        expand("${B:-" * 40 + "}" * 40, lookup)


def test_variables_made_of_variables_grow_only_so_far() -> None:
    values = {"V0": "0123456789" * 1000}
    for level in range(1, 7):
        values[f"V{level}"] = expand(f"${{V{level - 1}}}" * 2, lambda name, _: values[name])
    assert len(values["V6"]) == 640_000
    with pytest.raises(TemplateError, match="expands to more than 1048576 characters"):
        expand("${V6}${V6}", lambda name, _: values[name])


@given(st.text())
def test_escaping_dollars_gives_the_text_back(text: str) -> None:
    escaped = text.replace("$", "$$")
    if "${inputs." not in text:
        assert expand(escaped, lookup) == text


def failing_offset(text: str) -> int:
    try:
        expand(text, lookup)
    except TemplateError as error:
        return error.offset
    return 0


@given(st.text(alphabet="${}A:-. x"))
def test_any_text_expands_or_fails_inside_it(text: str) -> None:
    assert 0 <= failing_offset(text) <= len(text)


@given(st.text(alphabet="ab$ -"), st.text(alphabet="ab$ -"))
def test_values_are_not_expanded_again(before: str, value: str) -> None:
    found = expand(before.replace("$", "$$") + "${V}", lambda _name, _optional: value)
    assert found == before + value


def test_inputs_are_filled_later() -> None:
    text = "in-${inputs.digest}-${inputs.commit}-${inputs.digest}"
    assert needs_inputs(text) == {"digest", "commit"}
    assert needs_inputs("inputs.digest") == frozenset()
    assert resolve_inputs(text, "d1", "c1") == "in-d1-c1-d1"
