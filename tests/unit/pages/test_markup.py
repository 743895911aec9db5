from hypothesis import given
from hypothesis import strategies as st

from mkbuild.pages.markup import Markup, element, escape, join, visible
from tests.support.html import read

HOSTILE = st.text() | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onmouseover='alert(1)",
        "<!--",
        "]]>",
        "&lt;b&gt; &amp;amp;",
        "\ud800 lone",
        "\x00\x1b[31m",
        "user\u202egnp.exe",
    ]
)


@given(HOSTILE, HOSTILE)
def test_whatever_the_text_one_element_comes_of_it_and_says_what_was_meant(
    text: str, value: str
) -> None:
    found = read(element("p", text, title=value))
    assert found.tags == [("p", {"title": visible(value)})]
    assert found.text == visible(text)


@given(HOSTILE)
def test_nothing_that_misleads_or_breaks_a_page_is_left(text: str) -> None:
    written = escape(text)
    written.encode("utf-8")
    assert not set(written) & {"\x00", "\x1b", "\u202e", "\ud800", "<", ">", '"', "'"}


def test_markup_is_not_escaped_again() -> None:
    inner = element("b", "1 < 2")
    assert inner == "<b>1 &lt; 2</b>"
    assert element("p", inner, [" and ", inner], None) == f"<p>{inner} and {inner}</p>"
    assert join(["<", Markup("<br>")], ", ") == "&lt;, <br>"


def test_attributes() -> None:
    made = element("input", class_="a b", aria_label="x", hidden=True, disabled=False, value=None)
    assert made == '<input class="a b" aria-label="x" hidden>'
    assert element("rect", x=1.0, y=2.345, rx=3) == '<rect x="1" y="2.35" rx="3"/>'
