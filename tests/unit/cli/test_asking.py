"""The verbs that ask, on a small workspace."""

import json
import subprocess
from pathlib import Path

import pytest

from mkbuild.cli.main import main

BUILD = """\
version: 1
variables: {V: {default: "1"}}
images:
  base: {context: base}
  api: {context: api, tags: ["acme/api:${V}"], groups: [back]}
  web: {context: web, tags: ["acme/web:1"], groups: [front]}
  odd: {context: odd}
groups:
  all-of-it: ["@back", "@front"]
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "BUILD.yaml").write_text(BUILD)
    for name, text in {
        "base": "FROM scratch\nCOPY f /\n",
        "api": "ARG FROM=base\nFROM ${FROM}\nCOPY f /\n",
        "web": "FROM base AS x\nCOPY --from=api /f /\n",
        "odd": "from scratch\nCOPY f /\n",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Shown:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str, status: int = 0) -> list[str]:
        assert main(list(args)) == status
        captured = self._capsys.readouterr()
        return (captured.err if status else captured.out).splitlines()


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    return Shown(capsys)


def test_list(shown: Shown) -> None:
    assert shown("list") == [
        "api   BUILD.yaml:5  acme/api:1",
        "base  BUILD.yaml:4",
        "odd   BUILD.yaml:7",
        "web   BUILD.yaml:6  acme/web:1",
    ]
    assert shown("list", "@back") == ["api  BUILD.yaml:5  acme/api:1"]
    assert shown("list", "api", "--var", "V=2")[0].endswith("acme/api:2")
    assert shown("list", "api", "--set", "api.tags=x:3")[0].endswith("x:3")


def test_list_groups_leaves_out_those_that_hold_nothing(shown: Shown, workspace: Path) -> None:
    with (workspace / "BUILD.yaml").open("a") as stream:
        stream.write("  none: []\n  left-out: [api, '!api']\n")
    assert shown("list", "--groups", "api") == ["@all-of-it  api web", "@back       api"]


def test_list_groups_and_json(shown: Shown) -> None:
    assert shown("list", "--groups", "api") == ["@all-of-it  api web", "@back       api"]
    assert json.loads("\n".join(shown("list", "api", "--json"))) == [
        {"target": "api", "location": "BUILD.yaml:5", "tags": ["acme/api:1"], "groups": ["back"]}
    ]


def test_a_matrix(shown: Shown, workspace: Path) -> None:
    (out,) = shown("list", "--format=github")
    assert [[job["target"] for job in wave["include"]] for wave in json.loads(out)["waves"]] == [
        ["base", "odd"],
        ["api"],
        ["web"],
    ]
    names = [f"i{number}" for number in range(300)]
    lines = "".join(f"  {name}: {{context: odd, platforms: [linux/arm64]}}\n" for name in names)
    (workspace / "BUILD.yaml").write_text(f"version: 1\nimages:\n{lines}")
    (out,) = shown("list", "--format=github")
    waves = json.loads(out)["waves"]
    assert [len(wave["include"]) for wave in waves] == [256, 44]
    assert waves[0]["include"][0] == {"target": "i0", "platforms": "linux/arm64"}


def test_list_matches_nothing(shown: Shown) -> None:
    assert shown("list", "apy", status=4) == [
        "error: there is no target 'apy'",
        "  hint: did you mean 'api'?",
    ]


def test_from_a_directory_below(shown: Shown, workspace: Path) -> None:
    assert shown("-C", "api", "list", "base") == [f"base  {workspace}/BUILD.yaml:4"]


def test_query(shown: Shown) -> None:
    assert shown("query", "rdeps(base)") == ["base", "api", "web"]
    assert shown("query", "deps(web)", "-", "web", "--output", "waves") == ["base", "api"]
    assert shown("query", "odd", "--output", "location") == ["BUILD.yaml:7:3: odd"]
    assert json.loads(shown("query", "filter(nothing, all)", "--output", "json")[0]) == []
    assert shown("query", "rdeps(", status=2)[0].startswith("error: query, column 7")


def test_graph(shown: Shown) -> None:
    assert shown("graph", "web") == [
        "base",
        "api",
        "  needs base: api/Dockerfile:2:1: FROM ${FROM} (expands to base)",
        "web",
        "  needs base: web/Dockerfile:1:1: FROM base",
        "  needs api: web/Dockerfile:2:1: COPY --from=api",
    ]
    assert shown("graph", "--format", "dot")[0].startswith("digraph")
    assert json.loads("\n".join(shown("graph", "--format", "json")))["edges"]


def test_why_edge(shown: Shown) -> None:
    assert shown("graph", "--why-edge", "api", "base") == [
        "api/Dockerfile:2:1: FROM ${FROM} (expands to base)"
    ]
    assert shown("graph", "--why-edge", "base", "api", status=4) == [
        "error: base does not need api"
    ]
    assert shown("graph", "--why-edge", "a*", "base") == [
        "api/Dockerfile:2:1: FROM ${FROM} (expands to base)"
    ]
    assert shown("graph", "--why-edge", "all", "base", status=4) == [
        "error: all means 4 targets, not one"
    ]


def test_lint(shown: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown("lint", "api", "web") == []
    assert main(["lint"]) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("odd/Dockerfile:")
    assert "ConsistentInstructionCasing" in captured.out
    assert captured.err == "error: 1 finding to mend\n"


def test_lint_formats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", "odd/Dockerfile", "--format", "github"]) == 3
    assert capsys.readouterr().out.startswith("::warning file=odd/Dockerfile,line=")
    assert main(["lint", "odd", "--format", "json"]) == 3
    (record,) = json.loads(capsys.readouterr().out)
    assert record["rule"] == "ConsistentInstructionCasing"


def test_lint_in_a_workflow(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(workspace.parent))
    assert main(["lint", "odd"]) == 3
    captured = capsys.readouterr()
    assert captured.out.startswith("odd/Dockerfile:")
    (command,) = [line for line in captured.err.splitlines() if line.startswith("::")]
    place = f"file={workspace.name}/odd/Dockerfile,line="
    assert command.startswith(f"::warning {place}")
    assert "title=ConsistentInstructionCasing::" in command


def test_lint_of_git_facts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git = ("git", "-C", str(workspace), "-c", "user.name=x", "-c", "user.email=x@example.com")
    for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run([*git, *command], check=True)
    labels = "{context: base, labels: {revision: '${git.sha}'}}"
    (workspace / "BUILD.yaml").write_text(BUILD.replace("{context: base}", labels))
    assert main(["lint", "base"]) == 3
    shown = capsys.readouterr().out
    assert "base: labels.revision holds git.sha: the digest changes at every commit" in shown
    assert "${inputs.commit}" in shown


def test_schema(shown: Shown) -> None:
    assert json.loads("\n".join(shown("schema")))["properties"]["images"]


def test_no_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    (tmp_path / "BUILD.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    assert shown("list", status=2)[0].startswith("error: there is no BUILD.yaml in ")
