"""A run as GitHub Actions shows it: annotations, the step summary, outputs.

Pure, from a record's document. See GitHub's "Workflow commands for GitHub Actions": what stands in
a command is escaped with percent signs; a value of several lines stands between two delimiters.
"""

import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mkbuild.location import Location
from mkbuild.progress import text
from mkbuild.progress.excerpt import parse

Level = Literal["error", "warning"]
Place = Callable[[str], str]
"""Turns a file, as the run names it, into one that GitHub knows; empty where it knows none."""


def is_active(env: Mapping[str, str]) -> bool:
    """Whether this runs in a workflow."""
    return env.get("GITHUB_ACTIONS") == "true"


def placed(directory: str, env: Mapping[str, str]) -> Place:
    """Name files below the checkout (GITHUB_WORKSPACE) as they are seen from there."""
    root = posixpath.normpath(env.get("GITHUB_WORKSPACE") or directory)

    def place(file: str) -> str:
        found = posixpath.relpath(posixpath.normpath(posixpath.join(directory, file)), root)
        return "" if "://" in file or found.startswith("../") else found

    return place


def annotation(level: Level, title: str, message: str, where: Location | None, place: Place) -> str:
    """Return the command that puts a message at a line; without one, it is the job's."""
    properties = {"title": title}
    file = place(where.file) if where is not None and where.line else ""
    if where is not None and file:
        properties = {"file": file, "line": str(where.line), **properties}
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {shown}::{_data(message)}"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def annotations(document: Mapping[str, Any], place: Place) -> list[str]:
    """Return a command for each step that failed."""
    found = []
    for step in _failed(document):
        title = text.fit(f"{step['target']}: {text.one_line(step['instruction'])}", 100)
        message = "\n".join([step["error"], *step["output"]])
        found.append(annotation("error", title, message, parse(step["location"]), place))
    return found


def _failed(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [step for step in document["steps"].values() if step["status"] == "failed"]


def summary(document: Mapping[str, Any]) -> str:
    """Return Markdown: how the run ended, a row for each image, the output of what failed."""
    took = text.seconds(document["seconds"])
    lines = [f"### mkbuild: {'built' if document['ok'] else 'failed'} in {took}", ""]
    lines += _table(document)
    failed = _failed(document)
    for step in failed:
        lines += _details(step)
    if document["error"] and not failed:
        lines += _fenced([document["error"]])
    return "\n".join(lines) + "\n"


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    yield "| image | result | digest | steps | ran | time | pushed |"
    yield "| --- | --- | --- | ---: | ---: | ---: | --- |"
    pushed: dict[str, list[str]] = {}
    for tag in document["published"]:
        pushed.setdefault(tag["digest"], []).append(tag["name"])
    for label in document["wanted"]:
        target = document["targets"].get(label)
        known = [document["steps"][key] for key in document["order"].get(label, ())]
        ran = [step for step in known if step["status"] in ("ran", "failed")]
        digest = target["containerimage.digest"] if target else ""
        cells = (
            label,
            "built" if target else "not built",
            f"`{text.short(digest)}`" if digest else "",
            str(len(known)),
            str(len(ran)),
            text.seconds(sum(step["seconds"] for step in ran)),
            "<br>".join(f"`{name}`" for name in pushed.get(digest, ())),
        )
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _details(step: Mapping[str, Any]) -> list[str]:
    name = text.fit(text.one_line(step["instruction"]), 80)
    shown = name.replace("&", "&amp;").replace("<", "&lt;")
    opened = f"<details open><summary>{step['target']}: <code>{shown}</code></summary>"
    lines = [f"{step['location']}: {step['error']}", "", *step["output"]]
    return ["", opened, *_fenced(lines), "</details>"]


def _fenced(lines: Sequence[str]) -> list[str]:
    """Return a code block; its fence is longer than any run of backticks inside."""
    content = "\n".join(lines)
    fence = "```"
    while fence in content:
        fence += "`"
    return ["", f"{fence}text", content, fence, ""]


def outputs(targets: Mapping[str, Mapping[str, Any]], delimiter: str) -> str:
    """Return what goes to GITHUB_OUTPUT: ``digests`` and ``metadata`` (JSON), ``digest`` of one.

    ``targets``: the metadata of what was built, as in a metadata file. ``delimiter``: a line that
    nobody can have written on purpose.
    """
    digests = {label: target["containerimage.digest"] for label, target in targets.items()}
    values = {"digests": json.dumps(digests), "metadata": json.dumps(targets)}
    if len(digests) == 1:
        values["digest"] = next(iter(digests.values()))
    return "".join(f"{k}<<{delimiter}\n{v}\n{delimiter}\n" for k, v in values.items())
