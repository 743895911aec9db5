"""Which variables an instruction sees, as far as a file tells: for build checks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from mkbuild.dockerfile import words
from mkbuild.dockerfile.instructions import Arg, Dockerfile, Stage
from mkbuild.errors import DockerfileError

DEFAULT_BUILTIN = {
    "BUILDPLATFORM": "linux/amd64",
    "BUILDOS": "linux",
    "BUILDOSVERSION": "",
    "BUILDARCH": "amd64",
    "BUILDVARIANT": "",
    "TARGETPLATFORM": "linux/amd64",
    "TARGETOS": "linux",
    "TARGETOSVERSION": "",
    "TARGETARCH": "amd64",
    "TARGETVARIANT": "",
    "TARGETSTAGE": "default",
}
_PATH = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(slots=True)
class Variables:
    """What is known at one point of a stage; it changes as the stage is read.

    ``declared`` holds ARGs, also those without a value. ``complete`` tells that ``env`` is all
    there is: the base image's variables are known. ``workdir`` and ``shell`` tell that the
    Dockerfile has set them.
    """

    global_args: Mapping[str, str]
    env: dict[str, str] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    complete: bool = True
    workdir: bool = False
    shell: bool = False


def globals_of(
    dockerfile: Dockerfile, builtin: Mapping[str, str] | None, build_args: Mapping[str, str]
) -> dict[str, str]:
    """Return what FROM lines see. What cannot be expanded is left out: the build will say so."""
    scope = dict(DEFAULT_BUILTIN if builtin is None else builtin)
    for statement in dockerfile.args:
        assert isinstance(statement.body, Arg)  # noqa: S101 -- by construction
        for name, default in statement.body.pairs:
            value = build_args.get(name)
            if value is None and default is not None:
                value = expanded(default, scope, dockerfile.escape)
            if value is not None:
                scope[name] = value
    return scope


def expanded(word: str, env: Mapping[str, str], escape: str) -> str | None:
    """Expand a word; None where it cannot be."""
    try:
        return words.expand(word, env, escape)
    except DockerfileError:
        return None  # the build reports it, with its place; a check has nothing to add


def variables_of(
    stage: Stage,
    global_args: Mapping[str, str],
    named: Mapping[str, Variables],
    base_environment: Callable[[str], Mapping[str, str] | None] | None,
    escape: str,
) -> Variables:
    """Return what a stage begins with: what the stage that it is based on ended with, if any."""
    base = expanded(stage.base.base, global_args, escape) or ""
    parent = named.get(base)
    if parent:
        return replace(
            parent, env=dict(parent.env), declared=set(parent.declared), global_args=global_args
        )
    if base == "scratch":
        return Variables(global_args, dict(_PATH))
    known = base_environment(base) if base_environment else None
    return Variables(global_args, {**_PATH, **(known or {})}, complete=known is not None)
