"""Golden errors: place, key path, what was found, what is allowed, nearest spelling."""

import pytest

from mkbuild.errors import BuildFileError
from tests.support.workspace import ROOT, load_texts

MANY = """\
version: 2
includ: [x]
images:
  api:
    contxt: .
    buildArgs: {A: 1}
    publish: maybe
    commit: explict
    tags: x
    secrets: [{idd: 1}]
    labels: {a: "${NO}", b: [1]}
    platforms: [amd64]
    resources: {weight: 0}
    timestamps: now
    args: {A: }
cache: {local: {max_size: big, ttl: 1y}, remotes: [{type: reddis}, {type: http, urls: x}, {url: x}]}
"""
MANY_ERRORS = """\
21 problems in build files
BUILD.yaml:1:10: version: found '2'; allowed: 1
BUILD.yaml:2:1: includ: unknown key 'includ'; allowed: cache, defaults, groups, images, include, \
profiles, registries, variables, version
  hint: did you mean 'include'?
BUILD.yaml:5:5: images.api.contxt: unknown key 'contxt'; allowed: {IMAGE}
  hint: did you mean 'context'?
BUILD.yaml:6:5: images.api.buildArgs: unknown key 'buildArgs'; allowed: {IMAGE}
  hint: write 'args'
BUILD.yaml:7:14: images.api.publish: found 'maybe'; allowed: true or false
BUILD.yaml:8:13: images.api.commit: found 'explict'; allowed: 'implicit' or 'explicit'
  hint: did you mean 'explicit'?
BUILD.yaml:9:11: images.api.tags: found 'x'; allowed: a list
BUILD.yaml:10:15: images.api.secrets[0]: the key 'id' is missing
BUILD.yaml:10:16: images.api.secrets[0].idd: unknown key 'idd'; allowed: env, id, src
  hint: did you mean 'id'?
BUILD.yaml:11:20: images.api.labels.a: the variable NO is not declared
  hint: declare it under variables:, or write ${NO_ENV}
BUILD.yaml:11:29: images.api.labels.b: found a list; allowed: text
BUILD.yaml:12:17: images.api.platforms[0]: found 'amd64'; allowed: OS/ARCHITECTURE[/VARIANT] such \
as linux/amd64 or linux/arm/v7
BUILD.yaml:13:25: images.api.resources.weight: found '0'; allowed: 1 or more
BUILD.yaml:14:17: images.api.timestamps: found 'now'; allowed: epoch, preserve, or seconds \
since 1970
BUILD.yaml:15:15: images.api.args.A: found nothing; allowed: text
BUILD.yaml:16:27: cache.local.max_size: found 'big'; allowed: a size such as 500MB, 40GB or 40GiB
BUILD.yaml:16:37: cache.local.ttl: found '1y'; allowed: a duration such as 90s, 30m, 12h, 14d or 2w
BUILD.yaml:16:59: cache.remotes[0].type: found 'reddis'; allowed: 'redis', 'http', 'registry', \
'directory'
  hint: did you mean 'redis'?
BUILD.yaml:16:68: cache.remotes[1]: the key 'url' is missing
BUILD.yaml:16:81: cache.remotes[1].urls: unknown key 'urls'; allowed: headers, mode, \
read_scopes, scope, signing_key_env, ttl, type, url
  hint: did you mean 'url'?
and 1 more"""
IMAGE = (
    "add_hosts, args, commit, compression, context, contexts, depends_on, dockerfile, "
    "dockerfile_inline, groups, inherits, labels, matrix, name, network, no_cache, "
    "no_cache_filter, outputs, platforms, publish, pull, resources, secrets, ssh, tags, target, "
    "timestamps"
)


def errors(text: str) -> str:
    with pytest.raises(BuildFileError) as raised:
        load_texts(text)
    return str(raised.value).replace(f"{ROOT}/", "")


def test_all_problems_are_listed_at_once() -> None:
    expected = MANY_ERRORS.replace("{IMAGE}", IMAGE).replace("{NO_ENV}", "{env.NO}")
    assert errors(MANY) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("a: 1", "3:4: images.a: found '1'; allowed: a mapping"),
        ("a:", "3:3: images.a: found nothing; allowed: a mapping"),
        ("a: {args: [A=1]}", "3:11: images.a.args: found a list; allowed: a mapping"),
        ("a: {args: {A: {}}}", "3:15: images.a.args.A: found a mapping; allowed: text"),
        ("a: {tags: [[]]}", "3:12: images.a.tags[0]: found a list; allowed: text"),
        ("a: {no_cache: 2}", "3:15: images.a.no_cache: found '2'; allowed: true or false"),
        (
            "a: {resources: {weight: x}}",
            "3:25: images.a.resources.weight: found 'x'; allowed: a whole number",
        ),
        (
            "a: {network: hots}",
            (
                "3:14: images.a.network: found 'hots'; allowed: 'default', 'none' or 'host'\n"
                "  hint: did you mean 'host'?"
            ),
        ),
        (
            "a: {network: '${X:-hots}'}",
            (
                "3:14: images.a.network: found 'hots' (from '${X:-hots}'); "
                "allowed: 'default', 'none' or 'host'\n  hint: did you mean 'host'?"
            ),
        ),
        (
            "a: {context: '${git.shaa}'}",
            (
                "3:17: images.a.context: ${git.shaa} is unknown; allowed: sha, short_sha, "
                "describe, branch, tag, dirty\n  hint: did you mean 'sha'?"
            ),
        ),
        (
            "a: {context: 'ftp://x'}",
            (
                "3:5: images.a.context: found 'ftp://x'; allowed: a directory, a git URL, target:, "
                "docker-image://, oci-layout://"
            ),
        ),
        (
            "a: {context: 'https://x/y'}",
            (
                "3:5: images.a.context: found 'https://x/y'; not a git URL: one ends in .git, or "
                "names a ref: URL#REF[:DIR]"
            ),
        ),
        (
            "a: {context: nowhere}",
            (
                "3:5: images.a.context: there is no directory nowhere\n"
                "  hint: paths are relative to the build file"
            ),
        ),
        (
            "a: {dockerfile: x, dockerfile_inline: FROM y}",
            "3:20: images.a.dockerfile_inline: there is a dockerfile, too; only one can be meant",
        ),
        (
            "a: {args: {A: '${inputs.digest}'}}",
            (
                "3:15: images.a.args.A: ${inputs.digest} is not known yet here; it may be used in: "
                "labels, tags"
            ),
        ),
        (
            "a-: {}",
            (
                "3:1: images.a-: the name 'a-'; allowed: letters, digits, '_', '.', '-' (these two "
                "not at its ends)"
            ),
        ),
        ("all: {}", "3:1: images.all: the name 'all' means every target"),
        ("a: {name: b}", "3:5: images.a.name: only with a matrix; the key is the name"),
        (
            "a: {depends_on: [b]}\nbb: {}",
            "3:18: images.a.depends_on: there is no image 'b'\n  hint: did you mean 'bb'?",
        ),
        ("a: {depends_on: [a]}", "3:18: images.a.depends_on: a target cannot need itself"),
        (
            "a: {contexts: {x: 'target:b'}}",
            "3:16: images.a.contexts.x: there is no image 'b'",
        ),
        (
            "a: {cache-from: [x]}",
            (
                f"3:5: images.a.cache-from: unknown key 'cache-from'; allowed: {IMAGE}\n"
                "  hint: shared caches stand once for all images, in the root file's cache.remotes"
            ),
        ),
    ],
)
def test_one_problem(body: str, expected: str) -> None:
    text = "version: 1\nimages:\n" + "".join(f" {line}\n" for line in body.splitlines())
    line_column, _, rest = expected.partition(": ")
    line, column = line_column.split(":")
    assert errors(text) == f"BUILD.yaml:{line}:{int(column) + 1}: {rest}"


@pytest.mark.parametrize(
    ("alias", "meant"),
    [
        ("buildArgs", "args"),
        ("build-args", "args"),
        ("additional_contexts", "contexts"),
        ("secret", "secrets"),
        ("platform", "platforms"),
        ("dependsOn", "depends_on"),
        ("extends", "inherits"),
        ("no-cache", "no_cache"),
        ("extra_hosts", "add_hosts"),
        ("tag", "tags"),
    ],
)
def test_other_tools_spellings_are_told(alias: str, meant: str) -> None:
    assert errors(f"version: 1\nimages: {{a: {{{alias}: x}}}}\n").endswith(f"hint: write '{meant}'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "BUILD.yaml:1:1: found nothing; a build file is a mapping"),
        ("[1]", "BUILD.yaml:1:1: found a list; a build file is a mapping"),
        ("images: {}", "BUILD.yaml:1:1: the build file: the key 'version' is missing"),
        ("version: 1\nimages: []\n", "BUILD.yaml:2:9: images: found a list; allowed: a mapping"),
        ("version: 1\ndefaults: 1\n", "BUILD.yaml:2:11: defaults: found '1'; allowed: a mapping"),
        (
            "version: 1\nprofiles: []\n",
            "BUILD.yaml:2:11: profiles: found a list; allowed: a mapping",
        ),
        (
            "version: 1\nprofiles: {a: {set: []}}\n",
            "BUILD.yaml:2:21: profiles.a.set: found a list; allowed: a mapping",
        ),
        (
            "version: 1\nprofiles: {a: {set: {'*.pul': x}}}\n",
            "BUILD.yaml:2:22: profiles.a.set.*.pul: unknown key 'pul'; allowed: ",
        ),
        (
            "version: 1\nregistries: {x: {timeout: 0, retries: -1, concurrency: many}}\n",
            "3 problems in build files\nBUILD.yaml:2:27: registries.x.timeout: found '0'; "
            "allowed: more than 0.0\nBUILD.yaml:2:39: registries.x.retries: found '-1'; "
            "allowed: 0 or more\nBUILD.yaml:2:56: registries.x.concurrency: found 'many'; "
            "allowed: a whole number",
        ),
        (
            "version: 1\nvariables: []\n",
            "BUILD.yaml:2:12: variables: found a list; allowed: a mapping",
        ),
        (
            "version: 1\nvariables: {A: x}\n",
            "BUILD.yaml:2:16: variables.A: found 'x'; allowed: a mapping",
        ),
        (
            "version: 1\nvariables: {a-b: {}}\n",
            "BUILD.yaml:2:13: variables.a-b: allowed: letters, digits and '_'",
        ),
        (
            "version: 1\ndefaults: {tags: [x]}\n",
            "BUILD.yaml:2:12: defaults.tags: unknown key 'tags'; allowed: ",
        ),
        (
            "version: 1\ngroups: {all: [x]}\n",
            "BUILD.yaml:2:10: groups.all: the name 'all' means every target already",
        ),
        (
            "version: 1\ninclude: [nowhere/BUILD.yaml]\n",
            "BUILD.yaml:2:11: include[0]: there is no file 'nowhere/BUILD.yaml'",
        ),
        (
            "version: 1\ninclude: ['*/B.yaml']\n",
            "BUILD.yaml:2:11: include[0]: no file matches '*/B.yaml'",
        ),
        (
            "version: 1\ninclude: ['${X}']\n",
            "BUILD.yaml:2:11: include[0]: variables are not allowed here",
        ),
        (
            (
                "version: 1\nvariables: {A: {default: '${B}'}, B: {default: '${A}'}}\n"
                "images: {a: {target: '${A}'}}\n"
            ),
            "BUILD.yaml:3:25: images.a.target: variables that need each other: A → B → A",
        ),
        (
            "version: 1\nvariables: {A: {}}\nimages: {a: {target: '${A}'}}\n",
            "BUILD.yaml:3:25: images.a.target: the variable A has neither a value nor a default",
        ),
        (
            "version: 1\nimages: {a: {target: '${env.A}'}}\n",
            "BUILD.yaml:2:25: images.a.target: the environment variable A is not set",
        ),
        (
            "version: 1\nimages: {a: {target: '${matrix.A}'}}\n",
            "BUILD.yaml:2:25: images.a.target: ${matrix.A} is not in this image's matrix",
        ),
        (
            "version: 1\nimages: {a: {target: '${gti.sha}'}}\n",
            (
                "BUILD.yaml:2:25: images.a.target: ${gti.sha} is unknown; allowed: env, git, "
                "matrix, inputs\n  hint: did you mean 'git'?"
            ),
        ),
    ],
)
def test_problems_of_the_document(text: str, expected: str) -> None:
    assert errors(text).startswith(expected)


def test_an_included_file_keeps_what_is_the_roots() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: [a/BUILD.yaml]\nvariables: {V: {default: 1}}\n",
        "a/BUILD.yaml": "version: 1\ncache: {}\nvariables: {V: {default: 2}}\n",
    }
    with pytest.raises(BuildFileError) as raised:
        load_texts(files)
    assert "a/BUILD.yaml:3:13: variables.V: declared at /w/BUILD.yaml:3:13 already" in str(
        raised.value
    )
    files["a/BUILD.yaml"] = "version: 1\ncache: {}\n"
    with pytest.raises(BuildFileError, match=r"a/BUILD\.yaml:2:1: cache: only in the root"):
        load_texts(files)


def test_a_label_is_declared_once() -> None:
    files = {
        "BUILD.yaml": "version: 1\ninclude: [other.yaml]\nimages: {a: {}}\n",
        "other.yaml": "version: 1\nimages: {a: {}}\n",
    }
    with pytest.raises(BuildFileError, match=r"a is declared at /w/BUILD\.yaml:3:10 already"):
        load_texts(files)


def test_a_file_outside_of_the_workspace() -> None:
    files = {"BUILD.yaml": "version: 1\ninclude: [../x.yaml]\n", "../x.yaml": "version: 1\n"}
    with pytest.raises(BuildFileError, match="outside of the workspace /w"):
        load_texts(files)


def test_no_more_than_twenty_are_shown() -> None:
    body = "".join(f"  a{i}: {{x: 1}}\n" for i in range(30))
    assert errors(f"version: 1\nimages:\n{body}").endswith("\nand 10 more")
