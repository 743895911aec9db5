import pytest

from mkbuild.buildfile.target import (
    CacheSettings,
    DirectoryContext,
    GitContext,
    GitUse,
    ImageContext,
    Output,
    RegistrySettings,
    Remote,
    Secret,
    Ssh,
    TargetContext,
)
from mkbuild.errors import BuildFileError, UsageError
from mkbuild.location import Location
from tests.support.workspace import images, load_texts, memory_files

EXAMPLE = """\
# yaml-language-server: $schema=./schemas/build.schema.json
version: 1
include: ["services/*/BUILD.yaml"]
variables:
  REGISTRY: {default: ghcr.io/acme, description: Push prefix}
  PYTHON: {default: "3.12"}
cache:
  local: {max_size: 40GB, ttl: 14d}
  remotes:
    - {type: redis, url: "redis://cache:6379/0"}
    - {type: http, url: "https://cache.acme.dev", mode: read-only, headers: {X-Team: a}}
    - {type: registry, ref: "${REGISTRY}/cache"}
    - {type: directory, path: shared, ttl: 1h, scope: ci, signing_key_env: KEY}
    - {type: redis, url: "redis://b", mode: off, ttl: 0, read_scopes: [""], password_env: PW}
defaults:
  platforms: [linux/amd64]
  commit: explicit
  timestamps: epoch
  pull: hourly
images:
  base:
    context: docker/base
    args: {PYTHON: "${PYTHON}"}
    publish: false
  api:
    context: services/api
    target: runtime
    tags: ["${REGISTRY}/api:${git.describe}", "${REGISTRY}/api:in-${inputs.digest}"]
    secrets: [{id: pip, env: PIP_TOKEN}, {id: cert, src: cert.pem}]
    ssh: [{id: default}, {id: deploy, paths: [keys/deploy]}]
    labels: {org.opencontainers.image.source: "https://example.com/acme"}
    groups: [backend]
  worker:
    inherits: [api]
    target: worker
    depends_on: [api]
    contexts: {tools: "docker-image://alpine:3.20", gen: "target:codegen", lib: "lib"}
  cuda:
    name: "cuda-${matrix.cuda}"
    matrix: {cuda: ["12.4", "12.6"]}
    context: cuda
    resources: {weight: 4}
registries:
  docker.io: {mirrors: ["localhost:5000", "oci-layout:./bases"]}
  localhost:5000: {insecure: true}
  quay.io: {ca: ca.pem, cert: cert.pem, timeout: 2.5, retries: 0, token_hosts: [auth.io]}
groups:
  default: [api, worker]
  release: ["@backend", "!cuda-*"]
profiles:
  ci: {when: {env: "CI=true"}, set: {"*.platforms": [linux/arm64], "base.args.PYTHON": 3.10}}
"""
CODEGEN = "version: 1\nimages: {codegen: {outputs: [{type: oci, dest: out.tar}]}}\n"
FILES = {
    "BUILD.yaml": EXAMPLE,
    "services/gen/BUILD.yaml": CODEGEN,
    "docker/base/Dockerfile": "",
    "services/api/Dockerfile": "",
    "cuda/Dockerfile": "",
}


def test_the_reference_example() -> None:
    workspace = load_texts(FILES, git={"describe": "v1"})
    assert workspace.root == "/w"
    assert list(workspace.targets) == [
        "base",
        "api",
        "worker",
        "cuda-12.4",
        "cuda-12.6",
        "//services/gen:codegen",
    ]
    base, api, worker, cuda, _, codegen = workspace.targets.values()
    assert base.context == DirectoryContext("/w/docker/base")
    assert base.dockerfile == "/w/docker/base/Dockerfile"
    assert base.args == {"PYTHON": "3.12"}
    assert (base.publish, base.commit, base.platforms) == (False, "explicit", ("linux/amd64",))
    assert base.location == Location("/w/BUILD.yaml", 21, 3)
    assert api.tags == ("ghcr.io/acme/api:v1", "ghcr.io/acme/api:in-${inputs.digest}")
    assert api.git_uses == (GitUse("tags[0]", "git.describe", Location("/w/BUILD.yaml", 28, 12)),)
    assert api.secrets == (Secret("pip", "PIP_TOKEN"), Secret("cert", None, "/w/cert.pem"))
    assert api.ssh == (Ssh(), Ssh("deploy", ("/w/keys/deploy",)))
    assert (api.target, api.groups) == ("runtime", ("backend",))
    assert (worker.target, worker.depends_on, worker.tags) == ("worker", ("api",), ())
    assert worker.contexts == {
        "tools": ImageContext("alpine:3.20"),
        "gen": TargetContext("//services/gen:codegen"),
        "lib": DirectoryContext("/w/lib"),
    }
    assert (worker.labels, worker.secrets) == (api.labels, api.secrets)
    assert (cuda.resources.weight, cuda.context) == (4, DirectoryContext("/w/cuda"))
    assert codegen.context == DirectoryContext("/w/services/gen")
    assert codegen.outputs == (Output("oci", "/w/services/gen/out.tar"),)
    assert (codegen.file, codegen.directory) == ("/w/services/gen/BUILD.yaml", "services/gen")
    assert codegen.commit == "explicit"
    assert workspace.cache == CacheSettings(
        40 * 10**9,
        14 * 86400,
        (
            Remote("redis", "redis://cache:6379/0"),
            Remote("http", "https://cache.acme.dev", "read-only", headers={"X-Team": "a"}),
            Remote("registry", "ghcr.io/acme/cache"),
            Remote("directory", "/w/shared", ttl=3600, scope="ci", key_env="KEY"),
            Remote("redis", "redis://b", "off", ttl=0, read_scopes=("",), password_env="PW"),  # noqa: S106 -- a name
        ),
    )
    assert workspace.registries == {
        "docker.io": RegistrySettings(("localhost:5000", "oci-layout:/w/bases")),
        "localhost:5000": RegistrySettings(insecure=True),
        "quay.io": RegistrySettings(
            ca="/w/ca.pem",
            more={
                "cert": "/w/cert.pem",
                "timeout": 2.5,
                "retries": 0,
                "token_hosts": ["auth.io"],
            },
        ),
    }
    assert {name: [i.text for i in group.items] for name, group in workspace.groups.items()} == {
        "default": ["api", "worker"],
        "release": ["@backend", "!cuda-*"],
        "backend": ["api", "worker"],
        "cuda": ["cuda-12.4", "cuda-12.6"],
    }
    assert workspace.profiles == ()


def test_evidence_is_all_that_was_asked() -> None:
    evidence = load_texts(FILES, git={"describe": "v1"}, env={"HOME": "/x"}).evidence
    assert evidence.files == ("/w/BUILD.yaml", "/w/services/gen/BUILD.yaml")
    assert evidence.globs == (("/w", "services/*/BUILD.yaml", ("/w/services/gen/BUILD.yaml",)),)
    assert evidence.environment == {"REGISTRY": None, "PYTHON": None, "CI": None}
    assert evidence.git == {"describe": "v1"}


@pytest.mark.parametrize(("env", "profiles"), [({"CI": "true"}, ()), ({}, ("ci",))])
def test_a_profile_is_on_by_its_condition_or_by_name(
    env: dict[str, str], profiles: tuple[str, ...]
) -> None:
    workspace = load_texts(FILES, git={"describe": "v1"}, env=env, profiles=profiles)
    assert workspace.profiles == ("ci",)
    assert {target.platforms for target in workspace.targets.values()} == {("linux/arm64",)}
    assert workspace.targets["base"].args == {"PYTHON": "3.10"}


def test_an_unknown_profile() -> None:
    with pytest.raises(UsageError, match="there is no profile 'cii'") as raised:
        load_texts(FILES, git={"describe": "v1"}, profiles=["cii"])
    assert raised.value.hint == "did you mean 'ci'?"


def test_git_is_asked_only_where_a_used_variable_asks() -> None:
    text = "version: 1\nvariables: {V: {default: '${git.sha}'}}\nimages: {a: {}}\n"
    workspace = load_texts(text)
    assert workspace.variables["V"].value is None
    assert workspace.variables["V"].default == "${git.sha}"


def test_variables_come_from_var_then_environment_then_default() -> None:
    text = "version: 1\nvariables: {V: {default: c}}\nimages: {a: {args: {V: '${V}'}}}\n"

    def value(**options: dict[str, str]) -> str:
        return load_texts(text, **options).targets["a"].args["V"]  # type: ignore[arg-type]

    assert value() == "c"
    assert value(env={"V": "b"}) == "b"
    assert value(env={"V": "b"}, variables={"V": "a"}) == "a"
    assert value(variables={"V": "${git.sha}"}) == "${git.sha}"


def test_var_may_name_what_is_only_used() -> None:
    text = images("  a: {args: {V: '${V:-x}'}}\n")
    assert load_texts(text).targets["a"].args == {"V": "x"}
    assert load_texts(text, variables={"V": "y"}).targets["a"].args == {"V": "y"}
    with pytest.raises(UsageError, match="--var W: no build file declares or uses"):
        load_texts(text, variables={"W": "y"})


def test_git_facts_follow_through_variables_defaults_and_inheritance() -> None:
    text = """\
version: 1
variables: {REV: {default: "${git.sha}"}}
defaults: {labels: {revision: "${REV}"}}
images:
  a: {args: {A: "${git.branch}"}, tags: ["x:${git.tag:-none}"]}
  b: {inherits: [a]}
"""
    targets = load_texts(text, git={"sha": "s", "branch": "main"}).targets
    assert [(use.key, use.fact) for use in targets["b"].git_uses] == [
        ("labels.revision", "git.sha"),
        ("args.A", "git.branch"),
    ]
    assert targets["a"].tags == ("x:none",)
    assert targets["b"].labels == {"revision": "s"}


def test_defaults_of_root_and_file_rank_below_everything() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: [d/BUILD.yaml]\n"
        "defaults: {pull: never, network: none, args: {A: root, B: root, C: root}}\n"
        "images: {base: {args: {C: base}}}\n",
        "d/BUILD.yaml": "version: 1\ndefaults: {pull: always, args: {B: file, C: file}}\n"
        "images: {a: {}, b: {inherits: [base], args: {D: own}}}\n",
    }
    targets = load_texts(files).targets
    assert targets["base"].args == {"A": "root", "B": "root", "C": "base"}
    assert targets["//d:a"].args == {"A": "root", "B": "file", "C": "file"}
    assert targets["//d:b"].args == {"A": "root", "B": "file", "C": "base", "D": "own"}
    assert (targets["//d:a"].pull, targets["//d:a"].network) == ("always", "none")


def test_contexts_from_git() -> None:
    text = images("  a: {context: 'https://example.com/r.git#v1:sub', dockerfile: d/Dockerfile}\n")
    target = load_texts(text).targets["a"]
    assert target.context == GitContext("https://example.com/r.git", "v1", "sub")
    assert target.dockerfile == "d/Dockerfile"


def test_an_inline_dockerfile_keeps_its_own_variables() -> None:
    text = images("  a:\n    dockerfile_inline: |\n      FROM x\n      RUN echo ${HOME} $$\n")
    target = load_texts(text).targets["a"]
    assert target.dockerfile_inline == "FROM x\nRUN echo ${HOME} $$\n"


def test_an_arg_may_have_any_name() -> None:
    text = images("  a: {args: {dockerfile_inline: '${env.X:-y}', images: '$$'}}\n")
    assert load_texts(text).targets["a"].args == {"dockerfile_inline": "y", "images": "$"}


def test_names_are_looked_for_nearby_first() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: ['*/BUILD.yaml']\nimages: {base: {}}\n",
        "a/BUILD.yaml": "version: 1\nimages: {base: {}, x: {depends_on: [base, //:base, tool]}}\n",
        "b/BUILD.yaml": "version: 1\nimages: {tool: {}, y: {depends_on: [base]}}\n",
    }
    targets = load_texts(files).targets
    assert targets["//a:x"].depends_on == ("//a:base", "base", "//b:tool")
    assert targets["//b:y"].depends_on == ("base",)


def test_an_ambiguous_name_asks_for_the_label() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: ['*/BUILD.yaml']\nimages: {x: {depends_on: [t]}}\n",
        "a/BUILD.yaml": "version: 1\nimages: {t: {}}\n",
        "b/BUILD.yaml": "version: 1\nimages: {t: {}}\n",
    }
    with pytest.raises(BuildFileError, match="'t' may be any of //a:t, //b:t"):
        load_texts(files)


def test_each_file_is_read_once_however_often_it_is_included() -> None:
    from mkbuild.buildfile.load import load

    files = memory_files(
        {
            "BUILD.yaml": "version: 1\ninclude: [a/BUILD.yaml, b/BUILD.yaml, BUILD.yaml]\n",
            "a/BUILD.yaml": "version: 1\ninclude: [../b/BUILD.yaml]\n",
            "b/BUILD.yaml": "version: 1\ninclude: [../a/BUILD.yaml]\nimages: {t: {}}\n",
        }
    )
    workspace = load("/w/BUILD.yaml", files, env={}, git=lambda _: None)
    assert files.reads == ["/w/BUILD.yaml", "/w/a/BUILD.yaml", "/w/b/BUILD.yaml"]
    assert list(workspace.targets) == ["//b:t"]


def test_extension_keys_hold_anchors() -> None:
    text = "version: 1\nx-common: &c {args: {A: 1}}\nimages: {a: {<<: *c, target: t}}\n"
    target = load_texts(text).targets["a"]
    assert (target.args, target.target) == ({"A": "1"}, "t")
