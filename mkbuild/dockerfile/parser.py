"""From raw instructions to a :class:`Dockerfile`: stages, and what surrounds them."""

from dataclasses import replace

from mkbuild.dockerfile import lexer, statements
from mkbuild.dockerfile.instructions import Arg, Dockerfile, From, Stage, Statement
from mkbuild.dockerfile.node import Source
from mkbuild.errors import DockerfileError
from mkbuild.location import Location


def parse(data: bytes | str, name: str, line: int = 1, column: int = 1) -> Dockerfile:
    """Parse a Dockerfile; ``name`` is what locations call it.

    Where it is a part of that file, it begins at ``line`` and ``column``.
    Raises DockerfileError, located, for what BuildKit's frontend refuses as well.
    """
    source = lexer.read(data, name, line, column)
    args: list[Statement] = []
    stages: list[tuple[Statement, list[Statement]]] = []
    for node in source.nodes:
        statement = statements.read(node, source)
        if isinstance(statement.body, From):
            stages.append((statement, []))
        elif stages:
            stages[-1][1].append(statement)
        elif isinstance(statement.body, Arg):
            args.append(statement)
        else:
            message = f"no build stage in current context: {node.keyword} stands before any FROM"
            hint = "begin with FROM; only ARG may stand before it"
            raise DockerfileError(message, location=statement.location, hint=hint)
    if not stages:
        message = "dockerfile contains no stages to build"
        hint = "add a FROM instruction"
        raise DockerfileError(message, location=source.place(len(source.lines)), hint=hint)
    return Dockerfile(
        name=name,
        stages=tuple(_stage(index, *stage) for index, stage in enumerate(stages)),
        args=tuple(args),
        syntax=source.syntax,
        escape=source.escape,
        check=source.check,
        warnings=_warnings(source),
        gaps=tuple(source.place(gap).line for gap in source.gaps),
    )


def parse_trigger(text: str, name: str) -> Statement:
    """Parse an ONBUILD trigger out of an image config; ``name`` says which image.

    Raises DockerfileError where it is not exactly one instruction, or is FROM.
    """
    source = lexer.read(text, name)
    if len(source.nodes) != 1:
        message = "onbuild trigger should be a single expression"
        hint = "rebuild the base image with one instruction in each ONBUILD"
        raise DockerfileError(message, location=Location(name, 1, 1), hint=hint)
    statement = statements.read(source.nodes[0], source)
    if isinstance(statement.body, From):
        message = "FROM isn't allowed as an ONBUILD trigger"
        hint = "use another base image: this one cannot be built from"
        raise DockerfileError(message, location=statement.location, hint=hint)
    return replace(statement, location=replace(statement.location, column=0))


def _stage(index: int, start: Statement, following: list[Statement]) -> Stage:
    assert isinstance(start.body, From)  # noqa: S101 -- by construction
    alias = start.body.alias
    return Stage(index, start, alias.lower() if alias else None, tuple(following))


def _warnings(source: Source) -> tuple[str, ...]:
    return tuple(
        f"{source.name}:{source.place(gap).line}: blank line in a continued instruction; "
        "it will become an error"
        for gap in source.gaps
    )
