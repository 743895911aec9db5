"""From parsed flags to a :class:`BuildRequest`."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from mkbuild.buildfile.target import Output
from mkbuild.cli import values
from mkbuild.cli.common import Common
from mkbuild.engine.request import (
    Behaviour,
    BuildRequest,
    CacheFlags,
    Changes,
    CompressionChoice,
    DockerfileInput,
    Publishing,
    Sources,
    WorkspaceInput,
)
from mkbuild.errors import UsageError

_COMPRESSION: Mapping[str, CompressionChoice] = {
    "no": "none",
    "none": "none",
    "speed": "speed",
    "size": "size",
    "default": "gzip",
    "gzip": "gzip",
    "zstd": "zstd",
}
_LONE_ONLY = ("tag", "target", "build_context", "secret", "ssh", "add_host", "replica", "dest")
_WORKSPACE_ONLY = ("set", "var", "profile", "since")


def take_sources(params: Mapping[str, Any], here: Path) -> Sources:
    """Read the flags of verbs that only talk to registries."""
    registries = params.get("registries")
    return Sources(
        registries=str(here / registries) if registries else None,
        registry_config=params.get("registry_config"),
    )


def is_directory(selection: str) -> bool:
    """Whether a selection is a context directory (or git URL) instead of the name of a target."""
    if selection == "." or selection.startswith(("./", "../")) or selection == "..":
        return True
    if selection.startswith("/") and not selection.startswith("//"):
        return True
    return values.is_git(selection)


def make_request(
    common: Common, selection: tuple[str, ...], params: dict[str, Any], env: Mapping[str, str]
) -> BuildRequest:
    """Make the request; raises UsageError for flags that make no sense together."""
    here = common.directory
    for name in ("docker_version", "docker_scheme"):
        if params.get(name):
            click.echo(f"warning: --{name.replace('_', '-')} does nothing here", err=True)
    given = _Given(params, here)
    lone = [item for item in selection if is_directory(item)]
    if lone and len(selection) > 1:
        raise UsageError(
            f"{lone[0]} is a directory: it cannot be built together with anything else",
            hint="name targets of the build file, or give one directory alone",
        )
    source = (
        _lone(given, lone[0], common.file) if lone else _workspace(given, selection, common.file)
    )
    return BuildRequest(
        directory=str(here),
        storage=str(common.storage),
        input=source,
        changes=_changes(given, env),
        publishing=_publishing(given),
        caches=_caches(given),
        sources=Sources(
            pull=given.flag("pull"),
            offline=given.flag("offline"),
            locked=params.get("locked"),
            registries=given.path("registries"),
            registry_config=params.get("registry_config"),
        ),
        behaviour=_behaviour(given),
    )


class _Given:
    """Parameters by name; a verb that lacks a flag has it unset."""

    def __init__(self, params: Mapping[str, Any], here: Path) -> None:
        self.params = params
        self.here = here

    def flag(self, name: str) -> bool:
        return bool(self.params.get(name))

    def text(self, name: str) -> Any:
        return self.params.get(name)

    def many(self, name: str) -> tuple[str, ...]:
        return tuple(self.params.get(name) or ())

    def path(self, name: str) -> str | None:
        value = self.params.get(name)
        return str(self.here / value) if value else None

    def refuse(self, names: tuple[str, ...], message: str, hint: str) -> None:
        for name in names:
            if self.params.get(name):
                raise UsageError(f"--{name.replace('_', '-')} {message}", hint=hint)


def _lone(given: _Given, context: str, file: str | None) -> DockerfileInput:
    given.refuse(_WORKSPACE_ONLY, "needs a build file, and a directory is built without one", "")
    here = given.here
    remote = values.is_git(context)
    if not remote and not (here / context).is_dir():
        raise UsageError(
            f"{context}: there is no such directory", hint="a target's name needs no ./ before it"
        )
    if file is not None and file != "-" and not remote:
        # Docker looks beside the shell first, Makisu in the context
        beside = here / file
        file = str(beside if beside.is_file() else here / context / file)
    return DockerfileInput(
        context=values.main_context(context, here),
        dockerfile=file,
        text=_standard_input() if file == "-" else None,
        tags=given.many("tag"),
        target=given.text("target"),
        contexts=dict(values.context(text, here) for text in given.many("build_context")),
        secrets=tuple(values.secret(text, here) for text in given.many("secret")),
        ssh=tuple(values.ssh(text, here) for text in given.many("ssh")),
        add_hosts=dict(values.add_host(text) for text in given.many("add_host")),
        replicas=given.many("replica"),
    )


def _standard_input() -> str:
    return sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def _workspace(given: _Given, selection: tuple[str, ...], file: str | None) -> WorkspaceInput:
    given.refuse(
        _LONE_ONLY,
        "is for a lone Dockerfile",
        "build a directory (mkbuild build -t NAME ./DIR), or change images with --set",
    )
    return WorkspaceInput(
        selection=selection,
        file=str(given.here / file) if file else None,
        variables=values.pairs("--var", given.many("var")),
        overrides=given.many("set"),
        profiles=given.many("profile"),
        since=given.text("since"),
    )


def _changes(given: _Given, env: Mapping[str, str]) -> Changes:
    compression = given.text("compression")
    times = given.text("timestamps")
    platforms = [part for text in given.many("platform") for part in text.split(",") if part]
    return Changes(
        args=values.arguments("--build-arg", given.many("build_arg"), env),
        labels=values.pairs("--label", given.many("label")),
        platforms=tuple(platforms),
        commit=given.text("commit"),
        compression=_COMPRESSION[compression] if compression else None,
        timestamps=values.timestamps(times) if times else None,
        network=given.text("network"),
        blacklist=_blacklist(given.many("blacklist")),
        preserve_root=given.flag("preserve_root"),
    )


def _blacklist(texts: Iterable[str]) -> tuple[str, ...]:
    """Read paths in order; ``!PATH`` takes one out again that stands before it."""
    paths: dict[str, None] = {}
    for text in texts:
        path = "/" + text.removeprefix("!").strip("/")
        if text.startswith("!"):
            paths.pop(path, None)
        else:
            paths[path] = None
    return tuple(sorted(paths))


def _publishing(given: _Given) -> Publishing:
    outputs = [values.output(text, given.here) for text in given.many("output")]
    destination = given.path("dest")
    if destination:
        outputs.append(Output("docker", destination))
    pushes = given.many("push")
    return Publishing(
        push=bool(pushes),
        registries=tuple(text for text in pushes if text not in ("", "1", "true")),
        replicas=given.many("replica"),
        load=given.flag("load"),
        docker_host=given.text("docker_host"),
        outputs=tuple(outputs),
        metadata_file=given.path("metadata_file"),
        iidfile=given.path("iidfile"),
        trace=given.path("trace"),
        junit=given.path("junit"),
    )


def take_caches(params: Mapping[str, Any], here: Path) -> CacheFlags:
    """Read the flags of caches, as far as a verb has them."""
    return _caches(_Given(params, here))


def _caches(given: _Given) -> CacheFlags:
    return CacheFlags(
        no_cache=given.flag("no_cache"),
        no_cache_filter=given.many("no_cache_filter"),
        always=given.flag("always"),
        local_ttl=values.duration("--local-cache-ttl", given.text("local_cache_ttl")),
        redis_addr=given.text("redis_cache_addr"),
        redis_password=given.text("redis_cache_password"),
        redis_ttl=values.duration("--redis-cache-ttl", given.text("redis_cache_ttl")),
        http_addr=given.text("http_cache_addr"),
        http_headers=dict(values.header(text) for text in given.many("http_cache_header")),
    )


def _behaviour(given: _Given) -> Behaviour:
    return Behaviour(
        jobs=given.text("jobs") or 1,
        keep_going=given.flag("keep_going"),
        dry_run=given.flag("dry_run"),
        question=given.flag("question"),
        expect_cached=given.flag("expect_cached"),
        explain=given.text("debug") == "explain",
        against=given.text("against"),
        interactive=given.flag("interactive"),
        plan=given.path("plan"),
        sandbox=given.text("sandbox") or "auto",
        modifyfs=given.text("modifyfs") or "false",
        allow=values.rights(given.many("allow")),
    )
