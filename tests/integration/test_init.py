"""``mkbuild init``: what it writes loads, means the same, and builds."""

import json
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from mkbuild.engine.request import WorkspaceInput
from mkbuild.engine.workspace import load_workspace
from tests.support.command import Mkbuild, registries

COMPOSE = """\
services:
  web:
    image: acme/web:${TAG:-dev}
    build:
      context: ./web
      args: [VERSION=1, "MODE=${MODE-fast}"]
      target: final
      additional_contexts: {tools: "service:tools"}
      secrets: [token]
  tools: {build: ./tools}
  database: {image: "postgres:16"}
secrets: {token: {file: ./token}}
"""
HCL = """\
variable "TAG" { default = "dev" }
variable "COUNT" { default = 3 }
group "default" { targets = ["web"] }
target "_common" { labels = { team = "a" } }
target "web" {
  inherits = ["_common"]
  context  = "web"
  target   = "final"
  args     = { VERSION = "1", COUNT = COUNT }
  tags     = ["acme/web:${TAG}"]
  contexts = { tools = "target:tools" }
  secret   = ["id=token,src=token"]
}
target "tools" {
  context           = "tools"
  dockerfile-inline = <<EOT
FROM scratch
COPY tool /tool
EOT
}
"""
BAKE_JSON = {
    "target": {
        "web": {"context": "web", "tags": ["acme/web:dev"], "contexts": {"tools": "target:tools"}},
        "tools": {"context": "tools"},
    }
}
SKAFFOLD = """\
apiVersion: skaffold/v4beta11
kind: Config
build:
  artifacts:
    - image: acme/web
      context: web
      docker: {target: final, buildArgs: {VERSION: "1"}}
      requires: [{image: acme/tools, alias: TOOLS}]
    - image: acme/tools
      context: tools
    - image: acme/java
      jib: {}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    for name in ("web", "tools"):
        (work / name).mkdir(parents=True)
    (work / "web" / "Dockerfile").write_text(
        "ARG TOOLS=tools\nFROM ${TOOLS} AS tool\nFROM scratch AS final\nCOPY --from=tool /tool /\n"
    )
    (work / "tools" / "Dockerfile").write_text("FROM scratch\nCOPY tool /tool\n")
    (work / "tools" / "tool").write_text("tool")
    (work / "token").write_text("secret")
    monkeypatch.chdir(work)
    return work


@pytest.mark.root
def test_from_dockerfiles(place: Path, tmp_path: Path) -> None:
    (place / "web" / "Dockerfile.debug").write_text("FROM web\nCOPY tools/tool /debug\n")
    mkbuild = Mkbuild(place, tmp_path / "store", registries(tmp_path))
    assert main(["init"]) == 0
    targets = load_workspace(WorkspaceInput(()), place).targets
    assert sorted(targets) == ["debug", "tools", "web"]
    assert targets["debug"].context.path == str(place)  # type: ignore[union-attr]
    assert set(mkbuild.build("all")) == {"debug", "tools", "web"}


@pytest.mark.root
@pytest.mark.parametrize(
    ("name", "text", "origin"),
    [
        ("compose.yaml", COMPOSE, "compose"),
        ("docker-bake.hcl", HCL, "bake"),
        ("docker-bake.json", json.dumps(BAKE_JSON), "bake"),
        ("skaffold.yaml", SKAFFOLD, "skaffold"),
    ],
)
def test_the_result_builds(place: Path, tmp_path: Path, name: str, text: str, origin: str) -> None:
    (place / name).write_text(text)
    mkbuild = Mkbuild(place, tmp_path / "store", registries(tmp_path))
    assert main(["init", "--from", origin]) == 0
    tree = tmp_path / "tree"
    assert set(mkbuild.build("all")) == {"tools", "web"}
    mkbuild.build("web", "--output", f"type=local,dest={tree}")
    assert (tree / "tool").read_text() == "tool"


def test_what_is_there_stays(place: Path) -> None:
    (place / "BUILD.yaml").write_text("version: 1\n")
    assert main(["init"]) == 2
    assert (place / "BUILD.yaml").read_text() == "version: 1\n"
    assert main(["init", "--force"]) == 0
    assert "tools" in (place / "BUILD.yaml").read_text()


def test_from_compose(place: Path) -> None:
    (place / "compose.yaml").write_text(COMPOSE)
    assert main(["init", "--from", "compose"]) == 0
    targets = load_workspace(WorkspaceInput(()), place).targets
    assert sorted(targets) == ["tools", "web"]
    web = targets["web"]
    assert web.tags == ("acme/web:dev",)
    assert web.args == {"VERSION": "1", "MODE": "fast"}
    assert web.secrets[0].src == str(place / "token")
    assert main(["query", "deps(web)"]) == 0


def test_from_bake(place: Path) -> None:
    (place / "docker-bake.hcl").write_text(HCL)
    assert main(["init", "--from", "bake"]) == 0
    workspace = load_workspace(WorkspaceInput(()), place)
    web = workspace.targets["web"]
    assert web.tags == ("acme/web:dev",)
    assert web.args == {"VERSION": "1", "COUNT": "3"}
    assert web.labels == {"team": "a"}
    assert workspace.targets["tools"].dockerfile_inline == "FROM scratch\nCOPY tool /tool"
    assert "default" in workspace.groups


def test_from_bake_json(place: Path) -> None:
    (place / "bake.json").write_text(json.dumps(BAKE_JSON))
    assert main(["init", "--from", "bake", "bake.json"]) == 0
    assert load_workspace(WorkspaceInput(()), place).targets["web"].tags == ("acme/web:dev",)


def test_an_expression_that_cannot_be_taken_over(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "docker-bake.hcl").write_text('target "a" { tags = ["x:${upper(TAG)}"] }\n')
    assert main(["init", "--from", "bake"]) == 2
    assert "cannot be taken over" in capsys.readouterr().err
    assert not (place / "BUILD.yaml").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("compose.yaml", "services: 3", "services is no mapping"),
        ("compose.yaml", "services: {a: x}", "services.a is no mapping"),
        ("compose.yaml", "services: {a: {build: 3}}", "services.a.build is no mapping"),
        ("compose.yaml", "services: {a: {build: {tags: 3}}}", "build.tags is no list"),
        ("compose.yaml", "services: {a: {build: {args: 3}}}", "is no list"),
        ("compose.yaml", "services: {a: {build: {secrets: 3}}}", "secrets is no list"),
        (
            "compose.yaml",
            "services: {a: {image: x}}",
            "no image is built by its compose",
        ),
        ("docker-bake.json", "[]", "docker-bake.json is no mapping"),
        ("docker-bake.json", '{"target": {"a": 3}}', "target.a is no mapping"),
        (
            "docker-bake.json",
            '{"target": {"a": {"tags": "x"}}}',
            "target.a.tags is no list",
        ),
        ("docker-bake.json", '{"group": {"a": []}}', "group.a is no mapping"),
        ("docker-bake.json", '{"variable": 1}', "variable is no mapping"),
        ("docker-bake.hcl", 'target "a" { matrix = { x = 3 } }', "matrix.x is no list"),
        ("skaffold.yaml", "build: {artifacts: 3}", "build.artifacts is no list"),
        (
            "skaffold.yaml",
            "build: {artifacts: [{}]}",
            "build.artifacts[0] has no image",
        ),
        (
            "skaffold.yaml",
            "build: {artifacts: [3]}",
            "build.artifacts[0] is no mapping",
        ),
    ],
)
def test_files_of_another_shape(
    place: Path, name: str, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tool = name.partition(".")[0].removeprefix("docker-")
    (place / name).write_text(text)
    assert main(["init", "--from", tool]) == 2
    assert message in capsys.readouterr().err
    assert not (place / "BUILD.yaml").exists()


def test_from_skaffold(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "skaffold.yaml").write_text(SKAFFOLD)
    assert main(["init", "--from", "skaffold"]) == 0
    assert "acme/java is built by jib" in capsys.readouterr().err
    targets = load_workspace(WorkspaceInput(()), place).targets
    assert targets["web"].args == {"VERSION": "1", "TOOLS": "tools"}
    assert main(["query", "somepath(web, tools)"]) == 0
    assert "tools" in capsys.readouterr().out
