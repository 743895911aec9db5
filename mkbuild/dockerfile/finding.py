"""What a build check finds, and which checks are wanted (``# check=skip=…;error=true``)."""

from collections.abc import Iterable
from dataclasses import replace

from mkbuild.dockerfile import golang, suggest
from mkbuild.dockerfile.directives import Directives
from mkbuild.dockerfile.instructions import Statement
from mkbuild.errors import DockerfileError
from mkbuild.frozen import frozen
from mkbuild.location import Location

RULES = {
    "StageNameCasing": "stage names are lower case",
    "FromAsCasing": "AS is spelled in the case of FROM",
    "NoEmptyContinuation": "no blank lines within a continued instruction",
    "ConsistentInstructionCasing": "instructions are spelled in one case",
    "DuplicateStageName": "each stage has a name of its own",
    "ReservedStageName": "no stage is named scratch or context",
    "JSONArgsRecommended": "CMD and ENTRYPOINT are in exec form, so that signals arrive",
    "MaintainerDeprecated": "authors are named by a label",
    "UndefinedArgInFrom": "FROM refers to declared ARGs only",
    "WorkdirRelativePath": "the first WORKDIR is absolute",
    "UndefinedVar": "variables are defined before they are used",
    "MultipleInstructionsDisallowed": "CMD, ENTRYPOINT and HEALTHCHECK come once in a stage",
    "LegacyKeyValueFormat": "ENV and LABEL are written name=value",
    "RedundantTargetPlatform": "FROM needs no --platform=$TARGETPLATFORM",
    "SecretsUsedInArgOrEnv": "no secrets in ARG or ENV",
    "InvalidDefaultArgInFrom": "FROM is valid with the defaults of its ARGs",
    "FromPlatformFlagConstDisallowed": "FROM's --platform is not a constant",
    "CopyIgnoredFile": "COPY and ADD read nothing that is ignored",
    "InvalidDefinitionDescription": "comments above ARG and FROM describe them",
    "ExposeProtoCasing": "EXPOSE's protocols are lower case",
    "ExposeInvalidFormat": "EXPOSE gives no address or host port",
}
"""Every rule, and what it asks for."""

EXPERIMENTAL = frozenset({"InvalidDefinitionDescription"})
"""Rules that are off unless asked for."""


@frozen
class Finding:
    """One thing to mend: the rule, its place, what is wrong, and what to write instead."""

    rule: str
    location: Location
    message: str
    hint: str


@frozen
class Config:
    """Which rules count; ``error`` asks that findings fail the build."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False
    error: bool = False

    def wants(self, rule: str) -> bool:
        """Whether a rule counts."""
        if rule in EXPERIMENTAL:
            return self.experimental_all or rule in self.experimental
        return not (self.skip_all or rule in self.skip)

    def merged(self, other: "Config") -> "Config":
        """Add what a comment above an instruction says; ``error`` is the file's business."""
        return replace(
            self,
            skip=self.skip | other.skip,
            skip_all=self.skip_all or other.skip_all,
            experimental=self.experimental | other.experimental,
            experimental_all=self.experimental_all or other.experimental_all,
        )


class Report:
    """Collects findings, and leaves out those that nobody wants."""

    def __init__(self, config: Config) -> None:
        """Start without findings."""
        self._config = config
        self._found: dict[Finding, None] = {}

    def add(self, rule: str, statement: Statement, message: str, hint: str) -> None:
        """Add a finding at a statement, unless the file or a comment above it says otherwise."""
        config = self._config
        if statement.comments:
            config = of_comments(config, statement.comments)
        self.add_at(rule, statement.location, message, hint, config)

    def add_at(
        self, rule: str, location: Location, message: str, hint: str, config: Config | None = None
    ) -> None:
        """Add a finding at a place that belongs to no single statement."""
        if (config or self._config).wants(rule):
            self._found[Finding(rule, location, message, hint)] = None

    def findings(self) -> list[Finding]:
        """Return the findings in the order of their lines."""
        return sorted(self._found, key=lambda found: found.location.line)


def configure(text: str) -> Config:
    """Read ``skip=A,B;experimental=C;error=true``; ``all`` stands for every rule.

    Raises DockerfileError, to be located by the caller.
    """
    config = Config()
    for part in text.strip().split(";", 2) if text.strip() else ():
        key, equals, value = (piece.strip() for piece in part.partition("="))
        names = frozenset(name.strip() for name in value.split(","))
        every = value == "all"
        if not equals or key not in {"skip", "experimental", "error"}:
            message = f"invalid check option {golang.quote(key)}"
            hint = suggest.hint(key, ("skip", "experimental", "error"))
            raise DockerfileError(message, hint=hint or "write # check=skip=Rule;error=true")
        if key == "skip":
            config = replace(config, skip=frozenset() if every else names, skip_all=every)
        elif key == "experimental":
            rules = frozenset[str]() if every else names
            config = replace(config, experimental=rules, experimental_all=every)
        else:
            error = golang.boolean(value)
            if error is None:
                message = f"failed to parse check option {golang.quote(part)}"
                raise DockerfileError(message, hint="write error=true or error=false")
            config = replace(config, error=error)
    return config


def of_comments(config: Config, comments: Iterable[str]) -> Config:
    """Add the first ``check=…`` among the comments right above an instruction."""
    for comment in comments:
        directive = Directives(marker="").read(comment)
        if directive is None or directive[0] != "check":
            continue
        try:
            return config.merged(configure(directive[1].split(" ", 1)[0]))
        except DockerfileError:
            return config  # a comment is no directive: what cannot be read says nothing
    return config
