import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from mkbuild.buildfile.schema import build_file_schema
from tests.support.workspace import load_texts

ROOT = Path(__file__).parents[3]
VALID = """\
# yaml-language-server: $schema=./schemas/build.schema.json
version: 1
x-common: {anything: [1]}
include: ["services/*/BUILD.yaml"]
variables:
  REGISTRY: {default: ghcr.io/acme, description: Push prefix}
  PYTHON: {default: 3.12}
cache:
  local: {max_size: 40GB, ttl: 14d}
  remotes:
    - {type: redis, url: "redis://cache:6379/0"}
    - {type: http, url: "https://cache.acme.dev", mode: read-only}
    - {type: registry, ref: "${REGISTRY}/cache"}
defaults: {platforms: [linux/amd64], commit: explicit, timestamps: 0, pull: "${PULL:-hourly}"}
images:
  base: {context: docker/base, args: {PYTHON: 3.12, DEBUG: true}, publish: "${PUBLISH}"}
  worker:
    inherits: [base]
    contexts: {tools: "docker-image://alpine:3.20"}
    secrets: [{id: pip, env: PIP_TOKEN}]
    ssh: [{id: default}]
  cuda: {name: "cuda-${matrix.cuda}", matrix: {cuda: ["12.4", 12.6]}, resources: {weight: 4}}
registries: {docker.io: {mirrors: ["localhost:5000"]}, "localhost:5000": {insecure: true}}
groups: {default: [api, worker], release: ["@backend", "!cuda-*"]}
profiles: {ci: {when: {env: "CI=true"}, set: {"*.platforms": [linux/amd64]}}}
"""


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = build_file_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_on_disk_is_current() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/schemas", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_example_validates(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(VALID))


@pytest.mark.parametrize(
    "path",
    [
        *(path.relative_to(ROOT) for path in ROOT.glob("examples/*/BUILD.yaml")),
        Path("BUILD.yaml"),
    ],
    ids=str,
)
def test_the_build_files_of_this_repository_validate(
    validator: jsonschema.Draft202012Validator, path: Path
) -> None:
    validator.validate(yaml.safe_load((ROOT / path).read_text()))


def test_the_documentations_example_validates_and_loads(
    validator: jsonschema.Draft202012Validator,
) -> None:
    text = (ROOT / "docs/build-file.md").read_text().split("```yaml\n")[1].split("```")[0]
    validator.validate(yaml.safe_load(text))
    files = {
        "BUILD.yaml": text,
        "services/x/BUILD.yaml": "version: 1\nimages: {x: {}}\n",
        **{f"{name}/Dockerfile": "" for name in ("docker/base", "services/api", "services/worker")},
    }
    workspace = load_texts(files, git={}, env={"CI": "true"})
    assert workspace.profiles == ("ci",)
    assert workspace.targets["api"].args == {"PYTHON": "3.10"}
    assert workspace.targets["api"].tags[0] == "ghcr.io/acme/api:dev"
    assert workspace.targets["worker"].groups == ("backend",)
    assert workspace.targets["cuda-12.6"].resources.weight == 4
    assert "_service" not in workspace.targets


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{version: 2}",
        "{version: 1, imags: {}}",
        "{version: 1, images: {a: {contxt: x}}}",
        "{version: 1, images: {a: {commit: sometimes}}}",
        "{version: 1, images: {a: {publish: maybe}}}",
        "{version: 1, images: {a: {tags: x}}}",
        "{version: 1, cache: {remotes: [{type: ftp}]}}",
        "{version: 1, cache: {remotes: [{type: http}]}}",
    ],
)
def test_what_is_wrong_does_not_validate(
    validator: jsonschema.Draft202012Validator, text: str
) -> None:
    assert not validator.is_valid(yaml.safe_load(text))


def test_every_member_is_described() -> None:
    schema = build_file_schema()
    for name, definition in {"document": schema, **schema["$defs"]}.items():
        assert definition["description"], name
        for member, value in definition["properties"].items():
            assert value.get("description") or "const" in value, f"{name}.{member}"


def test_no_null_and_no_class_name_is_offered() -> None:
    text = json.dumps(build_file_schema())
    assert '"null"' not in text
    assert '"default": null' not in text
