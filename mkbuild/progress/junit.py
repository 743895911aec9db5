"""A run as JUnit XML, which most CI systems can show: one testsuite a target, one testcase a step.

Pure, from a record's document. Fits both schemas in use: the strict one of Ant's tasks (JUnit.xsd
of windyroad/JUnit-Schema) and that of Jenkins (junit-10.xsd of its xunit plugin).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree as ET

from mkbuild.progress import text

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can hold, not even escaped."""

_Cases = list[tuple[str, Mapping[str, Any]]]


def junit(document: Mapping[str, Any], host: str) -> bytes:
    """Return the report; ``host`` is the machine's name."""
    suites: dict[str, _Cases] = {label: [] for label in document["wanted"]}
    for step in document["steps"].values():
        name = f"{step['location']} {text.one_line(step['instruction'])}"
        suites.setdefault(step["target"], []).append((name, step))
    if document["error"] and not any(s["status"] == "failed" for s in document["steps"].values()):
        other = {"status": "error", "error": document["error"], "seconds": 0.0}
        suites["mkbuild"] = [("build", other)]
    root = ET.Element("testsuites")
    for number, (label, cases) in enumerate(suites.items()):
        _suite(root, number, label, cases, document["started"], host)
    ET.indent(root)
    data: bytes = ET.tostring(root, "utf-8", xml_declaration=True)
    return data


def _suite(  # noqa: PLR0913, PLR0917 -- what the schema wants to know of one
    root: ET.Element, number: int, label: str, cases: _Cases, started: str, host: str
) -> None:
    statuses = [case["status"] for _, case in cases]
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "id": str(number),
            "name": _xml(label),
            "package": "mkbuild",
            "timestamp": started.removesuffix("Z"),
            "hostname": _xml(host) or "localhost",
            "tests": str(len(cases)),
            "failures": str(statuses.count("failed")),
            "errors": str(statuses.count("error")),
            "skipped": str(statuses.count("skipped")),
            "time": _seconds(case["seconds"] for _, case in cases),
        },
    )
    ET.SubElement(suite, "properties")
    for name, case in cases:
        _case(suite, label, name, case)
    ET.SubElement(suite, "system-out").text = _xml(
        "".join(f"{case['status']}: {name}\n" for name, case in cases)
    )
    ET.SubElement(suite, "system-err")


def _case(suite: ET.Element, label: str, name: str, case: Mapping[str, Any]) -> None:
    attributes = {"classname": _xml(label), "name": _xml(name), "time": _seconds([case["seconds"]])}
    element = ET.SubElement(suite, "testcase", attributes)
    match case["status"]:
        case "failed" | "error" as status:
            kind = {"message": _xml(case["error"]), "type": "step" if status == "failed" else "run"}
            tag = "failure" if status == "failed" else "error"
            ET.SubElement(element, tag, kind).text = _xml("\n".join(case.get("output", ())))
        case "skipped":
            ET.SubElement(element, "skipped")
        case _:
            pass


def _seconds(values: Iterable[float]) -> str:
    return f"{sum(values):.3f}"


def _xml(value: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", value)
