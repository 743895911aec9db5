"""From one raw instruction to its meaning (Dockerfile reference, one section an instruction)."""

import re
from collections.abc import Callable

from mkbuild.dockerfile import arguments, flags, golang, health, suggest, transfers
from mkbuild.dockerfile.flags import FlagError
from mkbuild.dockerfile.instructions import (
    Arg,
    Body,
    Cmd,
    Entrypoint,
    Env,
    Expose,
    From,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    Statement,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from mkbuild.dockerfile.mounts import precheck
from mkbuild.dockerfile.node import Node, Source
from mkbuild.dockerfile.shape import command, exactly_one, no_flags, some
from mkbuild.errors import DockerfileError
from mkbuild.location import Location

_STAGE_NAME = re.compile(r"[a-z][a-z0-9\-_.]*\Z")
_ONBUILD = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)
_NETWORKS = ("default", "none", "host")
_SECURITIES = ("sandbox", "insecure")
_FROM_WORDS = 3


def read(node: Node, source: Source) -> Statement:
    """Understand one instruction. Raises DockerfileError, located."""
    start = source.lines[node.start - 1] if node.start <= len(source.lines) else ""
    text = start.removeprefix("\ufeff")
    indent = len(text) - len(text.lstrip(golang.SPACE))
    location = source.place(node.start, indent + 1, node.end)
    try:
        body = _body(node, source.escape)
    except FlagError as error:
        raise error.at(_find(error.flag, node, source, location)) from None
    except DockerfileError as error:
        raise error.at(location) from None
    return Statement(
        location=location,
        source=node.original.strip(golang.SPACE),
        body=body,
        commit=node.commit,
        keyword=node.keyword,
        comments=node.comments,
    )


def _find(text: str, node: Node, source: Source, default: Location) -> Location:
    """Find where a flag stands; where quotes hide it, the instruction has to do."""
    for number in range(node.start, node.end + 1):
        column = source.lines[number - 1].find(text)
        if column >= 0:
            return source.place(number, column + 1, node.end)
    return default


def _body(node: Node, escape: str) -> Body:
    keyword = node.keyword.lower()
    if keyword == "copy":
        return transfers.copy(node, escape)
    reader = _READERS.get(keyword)
    if reader is None:
        message = f"unknown instruction: {node.keyword}"
        hint = suggest.hint(node.keyword, arguments.KEYWORDS)
        raise DockerfileError(message, hint=hint or "known instructions: " + _known())
    return reader(node)


def _known() -> str:
    return ", ".join(sorted(name.upper() for name in arguments.KEYWORDS))


def _from(node: Node) -> From:
    args = node.args
    alias = None
    if len(args) == _FROM_WORDS and args[1].lower() == "as":
        alias = args[2]
        if not _STAGE_NAME.match(alias.lower()):
            message = (
                f"invalid name for build stage: {golang.quote(alias)}, "
                "name can't start with a number or contain symbols"
            )
            hint = "begin with a letter; then letters, digits, '-', '_' and '.'"
            raise DockerfileError(message, hint=hint)
    elif len(args) != 1:
        message = "FROM requires either one or three arguments"
        raise DockerfileError(message, hint="write FROM image, or FROM image AS name")
    given = flags.parse(node.flags, {"platform": "text"})
    return From(args[0], alias, given.text("platform"))


def _arg(node: Node) -> Arg:
    some(node)
    pairs: list[tuple[str, str | None]] = []
    for word in node.args:
        name, equals, value = word.partition("=")
        if equals and not name:
            message = "ARG names can not be blank"
            raise DockerfileError(message, hint="write ARG NAME=default")
        pairs.append((name, value if equals else None))
    return Arg(tuple(pairs))


def _pairs(node: Node) -> tuple[tuple[tuple[str, str], ...], bool]:
    no_flags(node)
    some(node)
    names, values = node.args[::3], node.args[1::3]
    if "" in names:
        message = f"{node.keyword.upper()} names can not be blank"
        raise DockerfileError(message, hint=f"write {node.keyword.upper()} NAME=value")
    return tuple(zip(names, values, strict=True)), node.args[2] == ""


def _env(node: Node) -> Env:
    pairs, legacy = _pairs(node)
    return Env(pairs, legacy)


def _label(node: Node) -> Label:
    pairs, legacy = _pairs(node)
    return Label(pairs, legacy)


def _run(node: Node) -> Run:
    given = flags.parse(
        node.flags, {"mount": "list", "network": "text", "security": "text", "device": "list"}
    )
    network = given.texts.get("network", "default")
    if network not in _NETWORKS:
        message = f"invalid network mode {golang.quote(network)}"
        raise FlagError(message, "--network", hint="one of: " + ", ".join(_NETWORKS))
    security = given.texts.get("security", "sandbox")
    if security not in _SECURITIES:
        message = f"security {golang.quote(security)} is not valid"
        raise FlagError(message, "--security", hint="one of: " + ", ".join(_SECURITIES))
    for mount in given.items("mount"):
        try:
            precheck(mount)
        except DockerfileError as error:
            raise FlagError(error.message, f"--mount={mount}", hint=error.hint) from None
    return Run(
        command(node), given.items("mount"), network, security, devices=given.items("device")
    )


def _cmd(node: Node) -> Cmd:
    no_flags(node)
    return Cmd(command(node))


def _entrypoint(node: Node) -> Entrypoint:
    no_flags(node)
    return Entrypoint(command(node))


def _shell(node: Node) -> Shell:
    no_flags(node)
    some(node)
    if not node.json:
        message = "SHELL requires the arguments to be in JSON form"
        raise DockerfileError(message, hint='write SHELL ["/bin/bash", "-c"]')
    return Shell(node.args)


def _workdir(node: Node) -> Workdir:
    return Workdir(exactly_one(node))


def _user(node: Node) -> User:
    return User(exactly_one(node))


def _maintainer(node: Node) -> Maintainer:
    return Maintainer(exactly_one(node))


def _stopsignal(node: Node) -> Stopsignal:
    return Stopsignal(exactly_one(node, flags_too=False))


def _volume(node: Node) -> Volume:
    some(node)
    no_flags(node)
    paths = tuple(path.strip(golang.SPACE) for path in node.args)
    if "" in paths:
        message = "VOLUME specified can not be an empty string"
        raise DockerfileError(message, hint="name a directory")
    return Volume(paths)


def _expose(node: Node) -> Expose:
    some(node)
    no_flags(node)
    return Expose(tuple(sorted(node.args)))


def _onbuild(node: Node) -> Onbuild:
    if node.child is None:
        some(node)
    no_flags(node)
    inner = node.child.keyword.upper() if node.child else ""
    if inner == "ONBUILD":
        message = "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"
        raise DockerfileError(message, hint="write the instruction right after ONBUILD")
    if inner in {"FROM", "MAINTAINER"}:
        message = f"{inner} isn't allowed as an ONBUILD trigger"
        raise DockerfileError(message, hint="defer another instruction")
    text = _ONBUILD.sub("", node.original, count=1)
    for heredoc in node.heredocs:
        text += f"\n{heredoc.raw}{heredoc.name}"
    return Onbuild(text)


_READERS: dict[str, Callable[[Node], Body]] = {
    "add": transfers.add,
    "arg": _arg,
    "cmd": _cmd,
    "entrypoint": _entrypoint,
    "env": _env,
    "expose": _expose,
    "from": _from,
    "healthcheck": health.read,
    "label": _label,
    "maintainer": _maintainer,
    "onbuild": _onbuild,
    "run": _run,
    "shell": _shell,
    "stopsignal": _stopsignal,
    "user": _user,
    "volume": _volume,
    "workdir": _workdir,
}
