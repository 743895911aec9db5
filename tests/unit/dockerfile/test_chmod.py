"""--chmod: a table, and GNU chmod's arithmetic as far as BSD agrees with it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile.chmod import octal_mode, parse_mode
from mkbuild.errors import DockerfileError


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", 0o644, 0o755),
        ("0", 0o777, 0),
        ("04755", 0, 0o4755),
        ("7777", 0, 0o7777),
        ("00000644", 0o777, 0o644),
        ("u+x", 0o644, 0o744),
        ("+x", 0o644, 0o755),
        ("a+x", 0o644, 0o755),
        ("ugo+x", 0o644, 0o755),
        ("go-rwx", 0o777, 0o700),
        ("-w", 0o666, 0o444),
        ("a=r", 0o777, 0o444),
        ("=", 0o777, 0),
        ("a=", 0o7777, 0o1000),
        ("u=", 0o777, 0o077),
        ("u=rwx,go=rx", 0o600, 0o755),
        ("u=rwx,g=rx,o=", 0o644, 0o750),
        ("u+x,go-w", 0o666, 0o744),
        ("u+x-w", 0o644, 0o544),
        ("u-w+x", 0o644, 0o544),
        ("u+s", 0o755, 0o4755),
        ("g+s", 0o755, 0o2755),
        ("o+s", 0o755, 0o755),
        ("+s", 0o755, 0o6755),
        ("+t", 0o755, 0o1755),
        ("o+t", 0o755, 0o755),
        ("u-s", 0o6755, 0o2755),
        ("a+X", 0o644, 0o644),
        ("a+X", 0o744, 0o755),
        ("u+x,a+X", 0o644, 0o744),
        ("a=X", 0o755, 0o111),
        ("a=X", 0o644, 0),
        ("a-X", 0o755, 0o644),
        ("g=u", 0o640, 0o660),
        ("go=u", 0o700, 0o777),
        ("o+g", 0o640, 0o644),
        ("o-u", 0o747, 0o740),
        ("g=u-w", 0o640, 0o640),
        ("go=u-w", 0o600, 0o644),
        ("u=g", 0o750, 0o550),
        ("o=rwu", 0o500, 0o505),
    ],
)
def test_file(text: str, before: int, after: int) -> None:
    assert oct(parse_mode(text)(before, False)) == oct(after)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [("a+X", 0o644, 0o755), ("u=rw,a+X", 0o755, 0o755), ("go+X", 0o600, 0o611), ("644", 0, 0o644)],
)
def test_directory(text: str, before: int, after: int) -> None:
    assert oct(parse_mode(text)(before, True)) == oct(after)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "888",
        "0o755",
        "10000",
        "-1",
        "7 7",
        "u",
        "u+x,",
        ",u+x",
        "x",
        "u*x",
        "u+q",
        "u+x go",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(DockerfileError, match="invalid chmod parameter"):
        parse_mode(text)


def test_symbolic_modes_are_no_octal() -> None:
    assert octal_mode("u+x") is None
    assert octal_mode("0755") == 0o755


@given(
    st.sets(st.sampled_from("ugo"), min_size=1),
    st.sampled_from("+-="),
    st.sets(st.sampled_from("rwx")),
    st.integers(0, 0o777),
)
def test_plain_clauses(who: set[str], operator: str, letters: set[str], mode: int) -> None:
    bits = sum({"r": 4, "w": 2, "x": 1}[letter] for letter in letters)
    expected = mode
    for name in who:
        shift = {"u": 6, "g": 3, "o": 0}[name]
        if operator == "=":
            expected &= ~(7 << shift)
        expected = expected & ~(bits << shift) if operator == "-" else expected | bits << shift
    text = "".join(sorted(who)) + operator + "".join(sorted(letters))
    assert parse_mode(text)(mode, False) == expected


@given(st.text("ugoa+-=rwxXst,07", max_size=10), st.integers(0, 0o7777), st.booleans())
def test_any_text_changes_bits_or_is_refused(
    text: str,
    mode: int,
    is_directory: bool,
) -> None:
    try:
        change = parse_mode(text)
    except DockerfileError:
        return
    assert 0 <= change(mode, is_directory) <= 0o7777
