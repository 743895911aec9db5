"""JUnit XML, held against the rules of the schema that Ant's tasks follow."""

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from mkbuild.progress.junit import junit
from tests.support import runs

SUITE = {"id", "name", "package", "timestamp", "hostname", "tests", "failures", "errors", "time"}
RESULTS = ("failure", "error", "skipped")


def check(data: bytes) -> ET.Element:
    """Check what JUnit.xsd asks for: elements in order, attributes, their types, the counts."""
    root = ET.fromstring(data)  # noqa: S314 -- made here
    assert root.tag == "testsuites"
    for number, suite in enumerate(root):
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == SUITE | {"skipped"}
        assert suite.attrib["id"] == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        tags = [child.tag for child in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *["testcase"] * len(cases), "system-out", "system-err"]
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            float(case.attrib["time"])
            assert [child.tag in RESULTS for child in case] == [True] * len(case)
            assert len(case) <= 1
            for child in case:
                wanted = set() if child.tag == "skipped" else {"message", "type"}
                assert set(child.attrib) == wanted
        counts = (
            ("tests", len(cases)),
            *((f"{tag}s", len(suite.findall(f"*/{tag}"))) for tag in ("failure", "error")),
            ("skipped", len(suite.findall("*/skipped"))),
        )
        assert {name: int(suite.attrib[name]) for name, _ in counts} == dict(counts)
    return root


def test_a_run() -> None:
    root = check(junit(runs.document(), "host"))
    assert [suite.attrib["name"] for suite in root] == ["base", "api"]
    assert [len(suite.findall("testcase")) for suite in root] == [1, 3]
    assert root[1].attrib["time"] == "8.000"
    assert "hit-remote: base/Dockerfile:2:1 WORKDIR /src" in (root[0].findtext("system-out") or "")


def test_a_run_that_failed() -> None:
    root = check(junit(runs.document(ok=False), "host"))
    (failure,) = root.findall("*/*/failure")
    assert failure.attrib["message"] == "ended with exit status 2"
    assert (failure.text or "").startswith("100% done, nearly\n```\n\N{REPLACEMENT CHARACTER} and")
    assert root.findall("*/*/error") == []


def test_a_run_that_ended_otherwise() -> None:
    broken = runs.document() | {"ok": False, "error": "the registry is away"}
    (error,) = check(junit(broken, "")).findall("*/*/error")
    assert error.attrib["message"] == "the registry is away"


@given(st.text(), st.text())
def test_any_text_makes_a_document(instruction: str, output: str) -> None:
    document = runs.document(ok=False)
    document["steps"]["k3"] |= {"instruction": instruction, "output": [output]}
    check(junit(document, "host"))
