"""The action of GitHub's workflows and the hooks of pre-commit, run as these run them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mkbuild.engine.schemas import SCHEMAS
from tests.support.bases import bases
from tests.support.command import CLEAN, ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
BIN = Path(sys.executable).parent


def tool(module: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make a checkout with two images, one of which stands on a base from outside."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(
        "version: 1\nimages:\n"
        "  a: {context: ., dockerfile: a.Dockerfile}\n"
        "  b: {context: ., dockerfile: b.Dockerfile}\n"
    )
    (work / "a.Dockerfile").write_text("FROM scratch\nCOPY a.Dockerfile /\n")
    (work / "b.Dockerfile").write_text("FROM busybox:stable\nCOPY b.Dockerfile /\n")
    git(work, "init", "-q")
    git(work, "add", ".")
    return work


def git(work: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(work), *args], check=True, env=CLEAN)


def environment(tmp_path: Path) -> dict[str, str]:
    mirror = f"oci-layout:{bases('busybox')}"
    (tmp_path / "registries").write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    return {
        **CLEAN,
        "HOME": str(tmp_path),
        "PATH": f"{BIN}:{CLEAN['PATH']}",
        "PYTHONPATH": str(ROOT),
        "MKBUILD_STORAGE": str(tmp_path / "store"),
        "MKBUILD_REGISTRIES": str(tmp_path / "registries"),
    }


def test_the_action_is_what_github_accepts(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    check = ("check_jsonschema", "--builtin-schema", "vendor.github-actions")
    done = tool(*check, str(ROOT / "action.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "action.yml").write_text(yaml.safe_dump(ACTION | {"runs": {"using": "compost"}}))
    assert tool(*check, str(tmp_path / "action.yml")).returncode == 1


@pytest.mark.parametrize(
    ("given", "built", "status"),
    [
        ({"targets": "a"}, {"a"}, 0),
        ({}, {"a", "b"}, 0),
        ({"targets": "* !b", "args": "-j 1 --progress=plain", "push": "true"}, {"a"}, 0),
        ({"targets": "$(touch${IFS}/oops) ; false"}, set(), 4),
    ],
)
def test_the_action_builds(
    workspace: Path, tmp_path: Path, given: dict[str, str], built: set[str], status: int
) -> None:
    step = ACTION["runs"]["steps"][-1]
    inputs = {name: declared["default"] for name, declared in ACTION["inputs"].items()} | given
    variables = {name: filled(text, inputs) for name, text in step["env"].items()}
    output, summary = tmp_path / "output", tmp_path / "summary"
    workflow = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=workspace / filled(step["working-directory"], inputs),
        env=environment(tmp_path) | variables | workflow,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert ("it is not pushed" in done.stderr) == ("push" in given)
    handed = written(output.read_text())
    assert json.loads(handed["digests"]).keys() == built
    jsonschema.validate(json.loads(handed["metadata"]), SCHEMAS["metadata"]())
    assert ("digest" in handed) == (len(built) == 1)
    assert {f"steps.build.outputs.{n}" for n in ("digests", "digest", "metadata")} == {
        declared["value"].strip("${} ") for declared in ACTION["outputs"].values()
    }
    assert summary.read_text().count("built |") == len(built)


def filled(text: str, inputs: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda found: inputs[found[1]], text)


def written(text: str) -> dict[str, str]:
    """Read a file of outputs as the runner does."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = iter(lambda: next(lines), delimiter)
        found[name] = "\n".join(value)
    return found


def test_the_manifest_of_hooks_is_what_pre_commit_accepts() -> None:
    pytest.importorskip("pre_commit")
    done = tool("pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [hook["id"] for hook in HOOKS] == ["mkbuild-lint", "mkbuild-lock"]


def hook(workspace: Path, tmp_path: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a hook over all files, installed as it is here: nothing is downloaded."""
    pytest.importorskip("pre_commit")
    local = [{**hook, "language": "system"} for hook in HOOKS]
    config = workspace / ".pre-commit-config.yaml"
    config.write_text(yaml.safe_dump({"repos": [{"repo": "local", "hooks": local}]}))
    git(workspace, "add", ".")
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", name, "--all-files"],
        cwd=workspace,
        env=environment(tmp_path) | {"PRE_COMMIT_HOME": str(tmp_path / "pre-commit")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_hook_that_lints(workspace: Path, tmp_path: Path) -> None:
    done = hook(workspace, tmp_path, "mkbuild-lint")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Passed" in done.stdout
    (workspace / "a.Dockerfile").write_text("FROM scratch\nMAINTAINER me\n")
    done = hook(workspace, tmp_path, "mkbuild-lint")
    assert done.returncode == 1
    assert "a.Dockerfile:2:1: MaintainerDeprecated" in done.stdout


def test_the_hook_that_checks_the_lock(workspace: Path, tmp_path: Path) -> None:
    done = hook(workspace, tmp_path, "mkbuild-lock")
    assert done.returncode == 1
    assert "busybox:stable" in done.stdout
    lock = [sys.executable, "-m", "mkbuild", "lock"]
    subprocess.run(lock, cwd=workspace, env=environment(tmp_path), check=True)
    done = hook(workspace, tmp_path, "mkbuild-lock")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.full
def test_hooks_install_themselves(workspace: Path, tmp_path: Path) -> None:
    pytest.importorskip("pre_commit")
    command = [sys.executable, "-m", "pre_commit", "try-repo", str(ROOT), "mkbuild-lint"]
    env = os.environ | environment(tmp_path) | {"PRE_COMMIT_HOME": str(tmp_path / "pre-commit")}
    del env["PYTHONPATH"]
    done = subprocess.run(
        [*command, "--all-files"],
        cwd=workspace,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
