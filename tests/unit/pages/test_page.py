import base64
import hashlib
import re

from mkbuild.pages.markup import element
from mkbuild.pages.page import asset, page


def allowed(policy: str, kind: str) -> set[str]:
    (found,) = [part for part in policy.split("; ") if part.startswith(f"{kind} ")]
    return set(found.split()[1:])


def named(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_the_policy_names_what_stands_in_the_page_and_nothing_else() -> None:
    made = page("a & b", element("h1", "x"), scripts=("graph.js", "explore.js"))
    (policy,) = re.findall(r'content="(default-src [^"]*)"', made)
    policy = policy.replace("&#x27;", "'")
    assert allowed(policy, "default-src") == {"'none'"}
    scripts = re.findall(r"<script>(.*?)</script>", made, re.DOTALL)
    assert len(scripts) == 2
    assert allowed(policy, "script-src") == set(map(named, scripts))
    styles = re.findall(r"<style>(.*?)</style>", made, re.DOTALL)
    assert allowed(policy, "style-src") == set(map(named, styles))
    assert "<title>a &amp; b</title>" in made


def test_a_page_without_scripts_allows_none() -> None:
    assert "script-src &#x27;none&#x27;" in page("x", "y")


def test_assets_end_no_element_that_holds_them() -> None:
    for name in ("page.css", "graph.js", "explore.js"):
        assert "</" not in asset(name)
        assert "<!--" not in asset(name)
        assert "http" not in asset(name)
