"""Build checks that follow a stage instruction by instruction."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from mkbuild.dockerfile import ports, suggest, words
from mkbuild.dockerfile.finding import Report
from mkbuild.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    HealthcheckCmd,
    HealthcheckNone,
    Label,
    Run,
    Shell,
    Stage,
    Statement,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from mkbuild.dockerfile.variables import Variables
from mkbuild.errors import DockerfileError

_ALMOST = 0.8
_SECRET = re.compile(
    r"(?:_|\A)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|\Z)",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(r"(?:_|\A)(?:public|file|version)(?:_|\Z)", re.IGNORECASE)
_EVERYTHING = frozenset({"*", "**", "**/*"})


class IgnoreFile(Protocol):
    """What a check asks of an ignore file."""

    @property
    def patterns(self) -> Sequence[str]:
        """The patterns, cleaned."""
        ...

    @property
    def has_exceptions(self) -> bool:
        """Whether a pattern re-includes."""
        ...

    def excluded(self, path: str) -> bool:
        """Whether a path is excluded."""
        ...


class StageRules:
    """Reads one stage; ``variables`` changes as it is read."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        variables: Variables,
        report: Report,
        ignore: IgnoreFile | None,
        build_args: Mapping[str, str],
    ) -> None:
        """Keep what the rules look at."""
        self._escape = dockerfile.escape
        self._variables = variables
        self._report = report
        self._ignore = ignore
        self._build_args = build_args
        self._once: dict[str, Statement] = {}

    def check(self, stage: Stage) -> None:
        """Check every instruction of the stage."""
        for statement in stage.statements:
            self._statement(statement)

    def _statement(self, statement: Statement) -> None:  # noqa: C901, PLR0912 -- an arm each
        match statement.body:
            case Env(pairs=pairs, legacy=legacy):
                self._env(statement, pairs, legacy=legacy)
            case Label(pairs=pairs, legacy=legacy):
                self._expand(statement, (word for pair in pairs for word in pair))
                self._legacy(statement, legacy=legacy)
            case Arg(pairs=pairs):
                for name, default in pairs:
                    self._arg(statement, name, default)
            case Copy() | Add():
                self._transfer(statement, statement.body)
            case Run(mounts=mounts):
                self._expand(statement, mounts)
            case Workdir(path=path):
                self._workdir(statement, path)
            case User(user=word) | Stopsignal(signal=word):
                self._expand(statement, [word])
            case Volume(paths=paths):
                self._expand(statement, paths)
            case Expose(ports=found):
                self._expose(statement, found)
            case Cmd(command=command) | Entrypoint(command=command):
                self._unique(statement)
                self._exec_form(statement, command)
            case HealthcheckCmd() | HealthcheckNone():
                self._unique(statement)
            case Shell():
                self._variables.shell = True
            case _:
                pass

    def _expand(self, statement: Statement, texts: Iterable[str]) -> list[str]:
        options = words.Options(escape=self._escape)
        return [self._expand_one(statement, text, options) for text in texts]

    def _expand_one(self, statement: Statement, text: str, options: words.Options) -> str:
        try:
            found = words.examine(text, self._variables.env, options)
        except DockerfileError:
            return ""  # the build reports it, with its place
        for name in sorted(found.unmatched - self._variables.declared):
            self._undefined(statement, name)
        return found.text

    def _undefined(self, statement: Statement, name: str) -> None:
        known = self._variables.env.keys() | self._variables.declared
        near = suggest.nearest(name, known, _ALMOST)
        if near is None and not self._variables.complete:
            return  # the base image may define it
        hint = f"did you mean ${near}?" if near else f"write ARG {name} or ENV {name}=… above"
        self._report.add("UndefinedVar", statement, f"variable {name} is not defined here", hint)

    def _env(self, statement: Statement, pairs: Sequence[tuple[str, str]], *, legacy: bool) -> None:
        expanded = self._expand(statement, (word for pair in pairs for word in pair))
        self._legacy(statement, legacy=legacy)
        for name, value in zip(expanded[::2], expanded[1::2], strict=True):
            self._secret(statement, name)
            self._variables.env[name] = value

    def _arg(self, statement: Statement, name: str, default: str | None) -> None:
        self._secret(statement, name)
        variables = self._variables
        value = self._build_args.get(name)
        if value is None and default is not None:
            value = self._expand(statement, [default])[0]
        elif value is None:
            value = variables.global_args.get(name)
        if value is not None:
            variables.env[name] = value
        variables.declared.add(name)

    def _legacy(self, statement: Statement, *, legacy: bool) -> None:
        if legacy:
            keyword = statement.keyword.upper()
            self._report.add(
                "LegacyKeyValueFormat",
                statement,
                f"'{keyword} name value' is the old form",
                f"write {keyword} name=value",
            )

    def _secret(self, statement: Statement, name: str) -> None:
        if _SECRET.search(name) and not _NO_SECRET.search(name):
            self._report.add(
                "SecretsUsedInArgOrEnv",
                statement,
                f"{name} looks like a secret, and {statement.keyword.upper()} ends in the image",
                f"use RUN --mount=type=secret,id={name.lower()}",
            )

    def _transfer(self, statement: Statement, body: Copy | Add) -> None:
        sources = self._expand(statement, body.sources)
        flags = (body.chown, body.chmod, body.checksum if isinstance(body, Add) else None)
        self._expand(statement, [word for word in (body.dest, *flags) if word])
        for heredoc in body.heredocs:
            if heredoc.expand:
                self._expand_one(statement, heredoc.content, words.CONTENT)
        if not (isinstance(body, Copy) and body.from_):
            for source in sources:
                self._ignored(statement, source)

    def _ignored(self, statement: Statement, source: str) -> None:
        ignore = self._ignore
        if ignore is None or ignore.has_exceptions or "://" in source:
            return
        path = posixpath.normpath(source) if source else "."
        if path in {".", "/", "//"}:
            excluded = not _EVERYTHING.isdisjoint(ignore.patterns)
        else:
            excluded = ignore.excluded(path)
        if excluded:
            self._report.add(
                "CopyIgnoredFile",
                statement,
                f"{source!r} is excluded by the ignore file",
                "remove the pattern, or add an exception that begins with '!'",
            )

    def _workdir(self, statement: Statement, path: str) -> None:
        expanded = self._expand(statement, [path])[0]
        if not self._variables.workdir and not expanded.startswith("/"):
            self._report.add(
                "WorkdirRelativePath",
                statement,
                f"{path!r} is relative to a directory that the base image sets",
                "begin with an absolute WORKDIR",
            )
        self._variables.workdir = True

    def _expose(self, statement: Statement, found: Iterable[str]) -> None:
        for text in found:
            try:
                expanded = words.expand_words(text, self._variables.env, self._escape)
            except DockerfileError:
                continue  # the build reports it
            for word in expanded:
                self._port(statement, word)

    def _port(self, statement: Statement, word: str) -> None:
        address, host, port, protocol = ports.split(word)
        if protocol.lower() in ports.PROTOCOLS and protocol != protocol.lower():
            message = f"the protocol of {word} is not lower case"
            self._report.add("ExposeProtoCasing", statement, message, f"write {word.lower()}")
        if address or host:
            message = f"{word} names an address or a host port, which EXPOSE has no use for"
            suffix = f"/{protocol}" if protocol else ""
            self._report.add("ExposeInvalidFormat", statement, message, f"write {port}{suffix}")

    def _unique(self, statement: Statement) -> None:
        keyword = statement.keyword.upper()
        earlier = self._once.get(keyword)
        if earlier:
            message = f"this {keyword} has no effect: line {statement.location.line} replaces it"
            hint = f"remove it, or the {keyword} below"
            self._report.add("MultipleInstructionsDisallowed", earlier, message, hint)
        self._once[keyword] = statement

    def _exec_form(self, statement: Statement, command: Command) -> None:
        if command.argv is None and not self._variables.shell:
            keyword = statement.keyword.upper()
            self._report.add(
                "JSONArgsRecommended",
                statement,
                f"{keyword} runs in a shell, which does not pass on signals",
                f'write {keyword} ["program", "argument"]',
            )
