"""Build checks: what a Dockerfile says that works, but not as its author may think.

The rules and their names are those of BuildKit's ``docker build --check``.
"""

from collections.abc import Callable, Mapping

from mkbuild.dockerfile import filerules, finding
from mkbuild.dockerfile.finding import Config, Finding, Report
from mkbuild.dockerfile.instructions import Dockerfile
from mkbuild.dockerfile.stagerules import IgnoreFile, StageRules
from mkbuild.dockerfile.variables import Variables, globals_of, variables_of
from mkbuild.errors import DockerfileError
from mkbuild.location import Location

__all__ = ["Config", "Finding", "IgnoreFile", "check", "config_of"]


def config_of(dockerfile: Dockerfile) -> Config:
    """Read the file's ``# check=`` directive. Raises DockerfileError, located."""
    try:
        return finding.configure(dockerfile.check)
    except DockerfileError as error:
        raise error.at(Location(dockerfile.name, 1, 1)) from None


def check(
    dockerfile: Dockerfile,
    *,
    builtin: Mapping[str, str] | None = None,
    build_args: Mapping[str, str] | None = None,
    ignore: IgnoreFile | None = None,
    base_environment: Callable[[str], Mapping[str, str] | None] | None = None,
) -> list[Finding]:
    """Check a file, and return what was found in the order of its lines.

    ``builtin``: TARGETPLATFORM and the other predefined ARGs, for linux/amd64 if left out.
    ``ignore``: the context's ignore file. ``base_environment``: the variables of a base image, None
    where they are not known; an unset variable is then only reported where a declared one is
    spelled almost like it. Raises DockerfileError where ``# check=`` itself is malformed.
    """
    report = Report(config_of(dockerfile))
    args = build_args or {}
    filerules.check_gaps(dockerfile, report)
    filerules.check_spelling(dockerfile, report)
    filerules.check_comments(dockerfile, report)
    filerules.check_stage_names(dockerfile, report)
    global_args = globals_of(dockerfile, builtin, args)
    filerules.check_bases(dockerfile, global_args, globals_of(dockerfile, builtin, {}), report)
    named: dict[str, Variables] = {}
    for stage in dockerfile.stages:
        variables = variables_of(stage, global_args, named, base_environment, dockerfile.escape)
        StageRules(dockerfile, variables, report, ignore, args).check(stage)
        if stage.name:
            named[stage.name] = variables
    return report.findings()
