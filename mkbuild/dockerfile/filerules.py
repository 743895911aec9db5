"""Build checks that look at the file as a whole: spelling, comments, stages and their bases."""

from collections.abc import Mapping

from mkbuild.dockerfile import suggest, words
from mkbuild.dockerfile.finding import Report
from mkbuild.dockerfile.instructions import Arg, Dockerfile, From, Maintainer, Stage, Statement
from mkbuild.dockerfile.variables import expanded
from mkbuild.dockerfile.words import Expansion
from mkbuild.errors import DockerfileError, UserError
from mkbuild.location import Location
from mkbuild.oci import platform as platforms
from mkbuild.oci import reference

_RESERVED = frozenset({"context", "scratch"})


def check_gaps(dockerfile: Dockerfile, report: Report) -> None:
    """Find NoEmptyContinuation."""
    for line in dockerfile.gaps:
        report.add_at(
            "NoEmptyContinuation",
            Location(dockerfile.name, line, 1),
            "a blank line stands within an instruction that is continued",
            "remove the blank line, or make it a comment: it will become an error",
        )


def check_spelling(dockerfile: Dockerfile, report: Report) -> None:
    """Find ConsistentInstructionCasing, FromAsCasing, StageNameCasing, MaintainerDeprecated."""
    statements = [one for stage in dockerfile.stages for one in (stage.start, *stage.statements)]
    lower = sum(one.keyword.islower() for one in statements)
    upper = sum(one.keyword.isupper() for one in statements)
    for one in statements:
        wanted = one.keyword.lower() if lower > upper else one.keyword.upper()
        if one.keyword != wanted:
            report.add(
                "ConsistentInstructionCasing",
                one,
                f"{one.keyword} is not spelled as most instructions of the file are",
                f"write {wanted}",
            )
        if isinstance(one.body, Maintainer):
            report.add(
                "MaintainerDeprecated",
                one,
                "MAINTAINER is deprecated",
                "write LABEL org.opencontainers.image.authors=…",
            )
        elif isinstance(one.body, From) and one.body.alias:
            _check_alias(one, one.body.alias, report)


def _check_alias(statement: Statement, alias: str, report: Report) -> None:
    if alias != alias.lower():
        report.add(
            "StageNameCasing",
            statement,
            f"stage name {alias!r} is not lower case",
            f"write {alias.lower()}: names of stages do not depend on case",
        )
    spelled = statement.source.split()[-2]
    keyword = statement.keyword
    wanted = "AS" if keyword.isupper() else "as"
    if (keyword.isupper() or keyword.islower()) and spelled != wanted:
        report.add(
            "FromAsCasing",
            statement,
            f"{spelled!r} and {keyword!r} are not spelled in the same case",
            f"write {wanted}",
        )


def check_comments(dockerfile: Dockerfile, report: Report) -> None:
    """Find InvalidDefinitionDescription."""
    starts = [stage.start for stage in dockerfile.stages]
    arguments = [*dockerfile.args, *(one for s in dockerfile.stages for one in s.statements)]
    for statement in (*starts, *arguments):
        match statement.body:
            case From(alias=str(alias)):
                names = [alias.lower()]
            case Arg(pairs=pairs):
                names = [name for name, _ in pairs]
            case _:
                continue
        if statement.comments and statement.comments[-1].split(" ", 1)[0] not in names:
            report.add(
                "InvalidDefinitionDescription",
                statement,
                f"the comment above {statement.keyword} does not describe it",
                f"write '# {names[0]} description', or put an empty comment between the two",
            )


def check_stage_names(dockerfile: Dockerfile, report: Report) -> None:
    """Find ReservedStageName and DuplicateStageName."""
    seen: set[str] = set()
    for stage in dockerfile.stages:
        if stage.name is None:
            continue
        if stage.name in _RESERVED:
            message = f"{stage.name!r} has a meaning of its own and is no good name for a stage"
            report.add("ReservedStageName", stage.start, message, "name the stage differently")
        if stage.name in seen:
            message = f"stage name {stage.name!r} is taken already"
            hint = "give each stage a name of its own: only the last one can be referred to"
            report.add("DuplicateStageName", stage.start, message, hint)
        seen.add(stage.name)


def check_bases(
    dockerfile: Dockerfile,
    global_args: Mapping[str, str],
    defaults: Mapping[str, str],
    report: Report,
) -> None:
    """Find UndefinedArgInFrom, InvalidDefaultArgInFrom, and what --platform is given for nothing.

    ``global_args`` is what FROM sees in this build, ``defaults`` without any build argument.
    """
    declared = {*global_args}
    for statement in dockerfile.args:
        if isinstance(statement.body, Arg):
            declared.update(name for name, _ in statement.body.pairs)
    for stage in dockerfile.stages:
        _check_default(stage, defaults, dockerfile.escape, report)
        base = _examined(stage.base.base, global_args, dockerfile.escape)
        _check_declared(stage, base, declared, report)
        if stage.base.platform:
            found = _examined(stage.base.platform, global_args, dockerfile.escape)
            _check_declared(stage, found, declared, report)
            _check_platform(stage, stage.base.platform, found, global_args, report)


def _examined(word: str, env: Mapping[str, str], escape: str) -> Expansion:
    try:
        return words.examine(word, env, words.Options(escape=escape))
    except DockerfileError:
        return Expansion("")  # the build reports it


def _check_default(stage: Stage, defaults: Mapping[str, str], escape: str, report: Report) -> None:
    base = expanded(stage.base.base, defaults, escape)
    if base is None:
        return
    try:
        reference.parse(base)
    except UserError:
        message = f"with the defaults of its ARGs, {stage.base.base} is no name of an image"
        hint = "give the ARG a default that makes it one"
        report.add("InvalidDefaultArgInFrom", stage.start, message, hint)


def _check_declared(stage: Stage, found: Expansion, declared: set[str], report: Report) -> None:
    for name in sorted(found.unmatched - declared):
        near = suggest.nearest(name, declared)
        hint = f"did you mean ${near}?" if near else f"write ARG {name} before the first FROM"
        message = f"FROM refers to {name}, which no ARG before the first FROM declares"
        report.add("UndefinedArgInFrom", stage.start, message, hint)


def _check_platform(
    stage: Stage, text: str, found: Expansion, global_args: Mapping[str, str], report: Report
) -> None:
    target = global_args.get("TARGETPLATFORM")
    if found.matched == {"TARGETPLATFORM"} and not found.unmatched and found.text == target:
        message = f"--platform={text} is what FROM does anyway"
        report.add("RedundantTargetPlatform", stage.start, message, "remove --platform")
    if found.matched or found.unmatched:
        return
    try:
        platform = platforms.parse(found.text)
    except UserError:
        return  # the build reports it
    name = stage.name or ""
    if platform.os not in name and platform.architecture not in name:
        report.add(
            "FromPlatformFlagConstDisallowed",
            stage.start,
            f"--platform={text} is the same for every platform that is built",
            "use a variable such as $BUILDPLATFORM, or name the stage after the platform",
        )
