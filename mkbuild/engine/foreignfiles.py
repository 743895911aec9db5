"""Other tools' build files as drafts of ours: compose, bake (HCL and JSON), skaffold."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from mkbuild.buildfile import yaml as nodes
from mkbuild.engine.draft import Draft
from mkbuild.errors import BuildFileError, UsageError
from mkbuild.store.reading import MAX_BYTES, read_limited

_VARIABLE = re.compile(r"[A-Za-z_]\w*(\.\w+)?")
_EXPRESSION = re.compile(r"(?<!\$)\$\{([^}]*)\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def compose(path: Path) -> Draft:
    """Read a compose file: the services that are built; raises UsageError."""
    document, draft = _yaml(path), Draft()
    defaults = _dotenv(path.with_name(".env"))

    def text(value: object) -> str:
        return draft.text(value, defaults)

    for name, service in _table(document.get("services"), "services").items():
        build = _table(service, f"services.{name}").get("build")
        if build is None:
            continue
        what = f"services.{name}.build"
        build = {"context": build} if isinstance(build, str) else _table(build, what)
        more = _items(build.get("tags"), f"{what}.tags")
        tags = [text(tag) for tag in (service.get("image"), *more) if tag]
        draft.add(
            str(name),
            {
                "context": text(build.get("context", ".")),
                "dockerfile": text(build.get("dockerfile")),
                "dockerfile_inline": build.get("dockerfile_inline"),
                "target": text(build.get("target")),
                "args": _pairs(build.get("args"), text),
                "contexts": {
                    key: value.replace("service:", "target:", 1)
                    for key, value in _pairs(build.get("additional_contexts"), text).items()
                },
                "labels": _pairs(build.get("labels"), text),
                "platforms": [
                    text(item) for item in _items(build.get("platforms"), f"{what}.platforms")
                ],
                "tags": tags,
                "secrets": _compose_secrets(build, document, text),
                "no_cache": build.get("no_cache"),
                "add_hosts": _pairs(build.get("extra_hosts"), text, separators="=:"),
                "network": build.get("network")
                if build.get("network") in {"none", "host"}
                else None,
            },
        )
    return draft


def bake(path: Path) -> Draft:
    """Read a bake file, HCL or JSON; raises UsageError."""
    document, draft = _bake_document(path), Draft()
    for name, variable in _table(document.get("variable"), "variable").items():
        default = _table(variable, f"variable.{name}").get("default")
        draft.variables[name] = {"default": draft.text(default, {})}
    for name, group in _table(document.get("group"), "group").items():
        members = _table(group, f"group.{name}").get("targets")
        draft.groups[name] = list(_items(members, f"group.{name}.targets"))

    def text(value: object) -> str:
        return draft.text(value, {})

    for name, given in _table(document.get("target"), "target").items():
        target = _table(given, f"target.{name}")

        def items(key: str, target: Mapping[str, Any] = target, name: str = name) -> list[str]:
            return [text(item) for item in _items(target.get(key), f"target.{name}.{key}")]

        inherited = items("inherits")
        default = "" if inherited else "."
        draft.add(
            name,
            {
                "inherits": inherited,
                "name": text(target.get("name")),
                "matrix": {
                    key: [text(item) for item in _items(values, f"target.{name}.matrix.{key}")]
                    for key, values in _table(target.get("matrix"), f"target.{name}.matrix").items()
                },
                "context": text(target.get("context", default)),
                "dockerfile": text(target.get("dockerfile")),
                "dockerfile_inline": target.get("dockerfile-inline"),
                "target": text(target.get("target")),
                "args": _pairs(target.get("args"), text),
                "contexts": _pairs(target.get("contexts"), text),
                "labels": _pairs(target.get("labels"), text),
                "platforms": items("platforms"),
                "tags": items("tags"),
                "secrets": [
                    _csv(item) for item in _items(target.get("secret"), f"target.{name}.secret")
                ],
                "no_cache": target.get("no-cache"),
                "no_cache_filter": items("no-cache-filter"),
                "add_hosts": _pairs(target.get("extra-hosts"), text),
            },
        )
    return draft


def skaffold(path: Path) -> Draft:
    """Read a skaffold file: the artifacts that docker or kaniko builds; raises UsageError."""
    draft = Draft()
    found = _items(_table(_yaml(path).get("build"), "build").get("artifacts"), "build.artifacts")
    artifacts = [_table(item, f"build.artifacts[{at}]") for at, item in enumerate(found)]
    for at, item in enumerate(artifacts):
        if not isinstance(item.get("image"), str):
            raise UsageError(f"build.artifacts[{at}] has no image")
    names = {item["image"]: str(item["image"]).rpartition("/")[2] for item in artifacts}
    for item in artifacts:
        docker = _table(item.get("docker") or item.get("kaniko"), f"{item['image']}.docker")
        other = [key for key in item if key in {"buildpacks", "jib", "bazel", "ko", "custom"}]
        if other:
            draft.notes.append(f"{item['image']} is built by {other[0]}: left out")
            continue
        given = _table(docker.get("buildArgs"), f"{item['image']}.buildArgs")
        args = {key: str(value) for key, value in given.items()}
        for needed in item.get("requires") or ():
            args[needed.get("alias") or needed["image"]] = names[needed["image"]]
        draft.add(
            names[item["image"]],
            {
                "context": item.get("context", "."),
                "dockerfile": docker.get("dockerfile"),
                "target": docker.get("target"),
                "args": args,
                "tags": [item["image"]],
                "no_cache": docker.get("noCache"),
                "secrets": [
                    {key: secret[key] for key in ("id", "src", "env") if key in secret}
                    for secret in docker.get("secrets") or ()
                ],
            },
        )
    return draft


READERS: Mapping[str, tuple[Callable[[Path], Draft], Sequence[str]]] = {
    "compose": (compose, ("compose.yaml", "compose.yml", "docker-compose.yml")),
    "bake": (bake, ("docker-bake.hcl", "docker-bake.json")),
    "skaffold": (skaffold, ("skaffold.yaml",)),
}
"""How each tool's file is read, and what it is called where nobody says it."""


def _yaml(path: Path) -> dict[str, Any]:
    try:
        tree = nodes.parse(read_limited(path, MAX_BYTES), str(path))
        document = None if tree is None else _values(tree)
    except (OSError, ValueError, BuildFileError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is no mapping")
    return document


def _table(found: object, what: str) -> dict[str, Any]:
    """Return a mapping, empty where nothing is said; raises UsageError for anything else."""
    if found is not None and not isinstance(found, dict):
        raise UsageError(f"{what} is no mapping")
    return found or {}


def _items(found: object, what: str) -> list[Any]:
    """Return a list, empty where nothing is said; raises UsageError for anything else."""
    if found is not None and not isinstance(found, list):
        raise UsageError(f"{what} is no list")
    return found or []


_LOADER = yaml.SafeLoader("")


def _values(node: nodes.Node) -> Any:  # noqa: ANN401 -- whatever the file holds
    """Return what a tree stands for, as other YAML readers have it: numbers, truth values."""
    match node:
        case nodes.Scalar(text, plain=True):
            tag = _LOADER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
            return _LOADER.construct_object(yaml.ScalarNode(tag, text))
        case nodes.Scalar(text):
            return text
        case nodes.Sequence(items):
            return [_values(item) for item in items]
        case nodes.Mapping(entries):
            return {key: _values(value) for key, (_, value) in entries.items()}


def _pairs(found: object, text: Callable[[object], str], separators: str = "=") -> dict[str, str]:
    """Read what is a mapping, or a list of ``KEY=VALUE``; KEY alone is the environment's."""
    if isinstance(found, Mapping):
        return {
            str(key): f"${{env.{key}:-}}" if value is None else text(value)
            for key, value in found.items()
        }
    pairs: dict[str, str] = {}
    for item in _items(found, "a list of KEY=VALUE"):
        match = re.match(f"([^{separators}]*)[{separators}](.*)", str(item), re.DOTALL)
        if match is None:
            pairs[str(item)] = f"${{env.{item}:-}}"
        else:
            pairs[match[1]] = text(match[2])
    return pairs


def _dotenv(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs}


def _compose_secrets(
    build: Mapping[str, Any], document: Mapping[str, Any], text: Callable[[object], str]
) -> list[dict[str, str]]:
    declared = _table(document.get("secrets"), "secrets")
    found = []
    for item in _items(build.get("secrets"), "build.secrets"):
        source = item if isinstance(item, str) else _table(item, "build.secrets").get("source", "")
        settings = _table(declared.get(source), f"secrets.{source}")
        secret = {"id": source if isinstance(item, str) else item.get("target", source)}
        if "file" in settings:
            secret["src"] = text(settings["file"])
        elif "environment" in settings:
            secret["env"] = text(settings["environment"])
        found.append(secret)
    return found


def _csv(item: object) -> dict[str, str]:
    if isinstance(item, Mapping):
        return {key: str(item[key]) for key in ("id", "src", "env") if key in item}
    pairs = dict(part.partition("=")[::2] for part in str(item).split(","))
    return {key: pairs[key] for key in ("id", "src", "env") if key in pairs}


def _bake_document(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return _table(json.loads(text), str(path))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {path}: {error}") from error
    try:
        import hcl2
    except ImportError as error:
        raise UsageError(
            "reading HCL needs python-hcl2", hint="pip install 'mkbuild[bake]', or use a JSON file"
        ) from error
    try:
        options = hcl2.SerializationOptions(preserve_heredocs=False)
        blocks = hcl2.loads(text, serialization_options=options)
    except Exception as error:  # its parser's own
        raise UsageError(f"{path} is no HCL: {str(error).splitlines()[0]}") from error
    document: dict[str, Any] = {}
    for kind in ("variable", "group", "target"):
        for block in blocks.get(kind, ()):
            for name, body in block.items():
                document.setdefault(kind, {})[_plain(name)] = _plain(body)
    return document


def _plain(value: Any) -> Any:  # noqa: ANN401 -- whatever HCL holds
    """Undo how python-hcl2 shows strings (in quotes) and expressions (without)."""
    if isinstance(value, Mapping):
        return {str(k).strip('"'): _plain(v) for k, v in value.items() if str(k)[:2] != "__"}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, str):
        return value
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    text = value[1:-1] if quoted else f"${{{value}}}"
    if not all(_VARIABLE.fullmatch(name) for name in _EXPRESSION.findall(text)):
        message = f"the expression {value} cannot be taken over"
        raise UsageError(message, hint="write its value, or a variable with a default")
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)
