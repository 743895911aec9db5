"""Examples for clusters and CI are what those accept; the documentation says what tests show."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.command import ROOT

KUBERNETES = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_accepts(path: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for document in yaml.safe_load_all(path.read_text()):
        validate.validate(document, "1.31", strict=True)


def test_a_wrong_manifest_would_be_noticed() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    document = next(yaml.safe_load_all((ROOT / "examples/kubernetes/job.yaml").read_text()))
    document["spec"]["port"] = 1
    with pytest.raises(validate.ValidationError):
        validate.validate(document, "1.31", strict=True)


@pytest.mark.parametrize(
    ("name", "schema"),
    [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_pipelines_are_what_their_services_accept(name: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema")
    transform = ("--data-transform", "gitlab-ci") if "gitlab" in name else ()
    accepted(ROOT / "examples/ci" / name, schema, *transform)


def accepted(path: Path, schema: str, *flags: str) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *flags]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_table_of_attempts_is_that_of_the_tests() -> None:
    tests = (ROOT / "tests/integration/test_sandbox_escape.py").read_text()
    declared = tests.partition("NOT_STOPPED_BY_CHROOT = {")[2].partition("}")[0]
    weak = set(re.findall(r'"([a-z_]+)"', declared))
    attempts = (ROOT / "tests/support/escapes.py").read_text()
    names = re.findall(r"@attempt\ndef (\w+)", attempts)
    table = (
        (ROOT / "docs/running.md").read_text().partition("| attempt (name")[2].partition("\n\n")[0]
    )
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    documented = {
        name: (namespace.strip(), chroot.strip())
        for text, namespace, chroot in rows
        for name in re.findall(r"`(\w+)`", text)
    }
    assert sorted(documented) == sorted(names)
    assert {name for name, (_, chroot) in documented.items() if chroot != "stopped"} == weak
    # what the test of the host's network shows, and nothing else
    shared = {name for name, (namespace, _) in documented.items() if namespace != "stopped"}
    assert shared == {"abstract_socket", "loopback_listener"}


def test_the_workflow_of_waves_is_what_github_accepts(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema")
    text = (ROOT / "docs" / "explaining.md").read_text()
    (workflow,) = re.findall(r"^```yaml\n(on: .*?)^```$", text, re.DOTALL | re.MULTILINE)
    path = tmp_path / "waves.yml"
    path.write_text(workflow)
    accepted(path, "vendor.github-workflows")
