"""The effect of each instruction on a stage: its config, its environment, its next action.

Follows BuildKit's dockerfile2llb: ARG and ENV share one environment that RUN sees and words are
expanded from, while the image's own Env holds ENV alone.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from mkbuild.dockerfile import instructions as ins
from mkbuild.dockerfile import mounts, ports, words
from mkbuild.dockerfile.instructions import Command, Statement
from mkbuild.errors import DockerfileError, MkbuildError
from mkbuild.location import Location
from mkbuild.oci.model import ContainerConfig, Healthcheck, ImageConfig, Platform
from mkbuild.plan import history
from mkbuild.plan.actions import (
    Action,
    AddStep,
    Body,
    ContextInput,
    CopyStep,
    Node,
    RunBody,
    RunMount,
    WorkdirStep,
)
from mkbuild.plan.image import HistoryLine, Link, PlannedImage
from mkbuild.plan.options import PlanOptions
from mkbuild.plan.signals import is_signal

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DEFAULT_SHELL = ("/bin/sh", "-c")
_NOT_IN_ENV = frozenset({"BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"})
"""ARGs that speak to the builder alone: no RUN sees them."""

Finder = Callable[[str, Location], "Node | ContextInput"]
"""Finds what --from or a mount's from= names; raises DockerfileError or PullError."""


@dataclass(slots=True)
class StageBuilder:
    """A stage being planned: mutable, since it is nothing but the fold of its instructions."""

    options: PlanOptions
    name: str
    platform: Platform
    escape: str
    global_args: dict[str, str]
    proxy: tuple[tuple[str, str], ...]
    find: Finder
    image: PlannedImage
    env: dict[str, str] = field(default_factory=dict)
    args: dict[str, str | None] = field(default_factory=dict)
    cmd_set: bool = False
    no_cache: bool = False

    def __post_init__(self) -> None:
        """Take the environment over from the base, and make sure that there is a PATH."""
        if not any(entry.partition("=")[0] == "PATH" for entry in self.config.env):
            self._configure(env=(*self.config.env, f"PATH={DEFAULT_PATH}"))
        for entry in self.config.env:
            key, _, value = entry.partition("=")
            self._set(key, value)
        if self.config.working_dir:
            # As if WORKDIR named it: one that is relative is joined to itself.
            self._configure(working_dir=_join(self.config.working_dir, self.config.working_dir))

    @property
    def config(self) -> ContainerConfig:
        """The container config as it stands."""
        return self.image.config.config

    def apply(self, statement: Statement) -> None:
        """Apply one instruction; errors carry its place."""
        try:
            self._apply(statement)
        except MkbuildError as error:
            raise error.at(statement.location) from None

    def _apply(self, statement: Statement) -> None:  # noqa: C901, PLR0912, PLR0915 -- one case each
        match statement.body:
            case ins.Run() as body:
                self._run(statement, body)
            case ins.Copy() | ins.Add() as body:
                self._copy(statement, body)
            case ins.Workdir() as body:
                self._workdir(statement, body)
            case ins.Env() as body:
                pairs = [(self._expand(k), self._expand(v)) for k, v in body.pairs]
                for key, value in pairs:
                    self._set(key, value)
                    self._configure(env=_replaced(self.config.env, key, value))
                self._note(history.pairs("ENV", pairs))
            case ins.Arg() as body:
                self._arg(body)
            case ins.Label() as body:
                pairs = [(self._expand(k), self._expand(v)) for k, v in body.pairs]
                self._configure(labels={**self.config.labels, **dict(pairs)})
                self._note(history.pairs("LABEL", pairs))
            case ins.User() as body:
                user = self._expand(body.user)
                self._configure(user=user)
                self._note(f"USER {user}")
            case ins.Volume() as body:
                self._volume(body)
            case ins.Expose() as body:
                self._expose(body)
            case ins.Cmd() as body:
                self._configure(cmd=self._words(body.command), args_escaped=True)
                self.cmd_set = True
                self._note(f"CMD {history.quoted(self.config.cmd or ())}")
            case ins.Entrypoint() as body:
                self._configure(entrypoint=self._words(body.command))
                if not self.cmd_set:
                    self._configure(cmd=None)
                self._note(f"ENTRYPOINT {history.quoted(self.config.entrypoint or ())}")
            case ins.HealthcheckNone():
                self._configure(healthcheck=Healthcheck(test=("NONE",)))
                self._note(history.healthcheck(("NONE",), None))
            case ins.HealthcheckCmd() as body:
                self._healthcheck(body)
            case ins.Stopsignal() as body:
                self._stopsignal(body)
            case ins.Shell() as body:
                self._configure(shell=body.argv)
                self._note(f"SHELL {history.bare(body.argv)}")
            case ins.Onbuild() as body:
                self._configure(on_build=(*self.config.on_build, body.trigger))
            case ins.Maintainer() as body:
                self._image(replace(self.image.config, author=body.name))
                self._note(f"MAINTAINER {body.name}")
            case ins.From():
                message = "FROM does not belong inside a stage"
                raise DockerfileError(message)
            case _ as never:
                assert_never(never)

    # Environment and words.

    def _set(self, key: str, value: str) -> None:
        self.env.pop(key, None)
        self.env[key] = value

    def _expand(self, word: str) -> str:
        return words.expand(word, self.env, self.escape)

    def _arg(self, body: ins.Arg) -> None:
        shown: list[tuple[str, str | None]] = []
        for name, default in body.pairs:
            value: str | None
            if name in self.options.args:
                value = self.options.args[name]
            elif default is not None:
                value = self._expand(default)
            else:
                value = self.global_args.get(name)
            if value is not None and name not in _NOT_IN_ENV:
                self._set(name, value)
            self.args[name] = value
            shown.append((name, value))
        self._note(history.arg(shown))

    def _words(self, command: Command) -> tuple[str, ...]:
        if command.argv is not None:
            return command.argv
        return (*(self.config.shell or DEFAULT_SHELL), command.shell or "")

    # Actions.

    def _run(self, statement: Statement, body: ins.Run) -> None:
        command, script = body.command, None
        if command.shell is not None and command.heredocs:
            text = command.heredocs[0].content
            if not _is_lone_heredoc(command):
                parts = [command.shell]
                parts += [f"\n{doc.content}{doc.name}" for doc in command.heredocs]
                command = Command(shell="".join(parts))
            elif text.startswith("#!"):
                script = (command.heredocs[0].name, text)
                command = Command(shell=f"/dev/pipes/{script[0]}")  # noqa: S604 -- a value
            else:
                command = Command(shell=text)
        argv = self._words(command)
        run = RunBody(
            argv=argv,
            env=tuple(self.env.items()),
            cwd=self.config.working_dir or "/",
            user=self.config.user,
            mounts=tuple(self._mount(raw, statement.location) for raw in body.mounts),
            network=body.network if body.network != "default" else self.options.network,
            security=body.security,
            script=script,
            proxy=self.proxy,
            hosts=self.options.hosts,
            args=frozenset(self.args),
        )
        seen = {name: self.env.get(name, value or "") for name, value in self.args.items()}
        self._act(statement, run, None, history.run(argv, seen))

    def _mount(self, raw: str, location: Location) -> RunMount:
        mount = mounts.parse(raw, self._expand)
        target = mount.target or ""
        source: Node | ContextInput | None = None
        if mount.type in {"bind", "cache"}:
            target = _join(self.config.working_dir or "/", target)
            if posixpath.normpath(target).strip("/") == "":
                message = f"invalid mount target {target!r}"
                raise DockerfileError(message)
            if mount.from_.isdigit():
                message = f"from={mount.from_}: a mount takes no stage by its number"
                raise DockerfileError(message, hint="name it: FROM … AS name, and from=name")
            if mount.from_:
                source = self.find(mount.from_, location)
            elif mount.type == "bind":
                source = self.find("", location)
        elif target:
            target = _join(self.config.working_dir or "/", target)
        return RunMount(mount, target, source)

    def _copy(self, statement: Statement, body: ins.Copy | ins.Add) -> None:
        sources = tuple(map(self._expand, body.sources))
        dest = self._expand(body.dest)
        chown = self._expand(body.chown) if body.chown else None
        chmod = self._expand(body.chmod) if body.chmod else None
        heredocs = tuple((doc.name, self._document(doc).encode()) for doc in body.heredocs)
        workdir = self.config.working_dir or "/"
        source: Node | ContextInput | None
        step: CopyStep | AddStep
        if isinstance(body, ins.Copy):
            source = self.find(body.from_ or "", statement.location)
            step = CopyStep(
                location=statement.location,
                sources=sources,
                dest=dest,
                workdir=workdir,
                context=isinstance(source, ContextInput),
                heredocs=heredocs,
                chown=chown,
                chmod=chmod,
                link=body.link,
                parents=body.parents,
                exclude=body.exclude,
                archive=body.archive,
            )
        else:
            source = self.find("", statement.location)
            step = AddStep(
                location=statement.location,
                sources=sources,
                dest=dest,
                workdir=workdir,
                heredocs=heredocs,
                chown=chown,
                chmod=chmod,
                link=body.link,
                exclude=body.exclude,
                checksum=self._expand(body.checksum) if body.checksum else None,
                keep_git_dir=body.keep_git_dir,
                unpack=body.unpack,
            )
        flags = ["--parents"] if isinstance(body, ins.Copy) and body.parents else []
        flags += [f"--chown={chown}"] if chown else []
        flags += [f"--chmod={chmod}"] if chmod else []
        shown = [*sources, *(f"<<{name}" for name, _ in heredocs), dest]
        keyword = "COPY" if isinstance(body, ins.Copy) else "ADD"
        self._act(statement, step, source, history.copy(keyword, flags, shown))

    def _document(self, doc: ins.Heredoc) -> str:
        if not doc.expand:
            return doc.content
        return words.expand_content(doc.content, self.env)

    def _workdir(self, statement: Statement, body: ins.Workdir) -> None:
        path = _join(self.config.working_dir or "/", self._expand(body.path))
        self._configure(working_dir=path)
        if path == "/":
            self._note(f"WORKDIR {path}")
            return
        step = WorkdirStep(statement.location, path, self.config.user)
        self._act(statement, step, None, f"WORKDIR {path}")

    def _act(
        self, statement: Statement, body: Body, source: "Node | ContextInput | None", line: str
    ) -> None:
        commit = self.options.commit == "implicit" or statement.commit
        action = Action(
            parent=self.image.node,
            body=body,
            source=source,
            platform=self.platform,
            target=self.options.target,
            stage=self.name,
            text=statement.source,
            location=statement.location,
            no_cache=self.no_cache,
            commit=commit,
        )
        self.image = replace(
            self.image,
            chain=(*self.image.chain, Link(action, commit)),
            history=(*self.image.history, HistoryLine(line, action)),
        )

    # Config.

    def _image(self, config: ImageConfig) -> None:
        self.image = replace(self.image, config=config)

    def _configure(self, **changes: Any) -> None:  # noqa: ANN401 -- as dataclasses.replace
        config = replace(self.config, **changes)
        self._image(self.image.config.with_config(config))

    def _note(self, created_by: str) -> None:
        self.image = replace(self.image, history=(*self.image.history, HistoryLine(created_by)))

    def _volume(self, body: ins.Volume) -> None:
        paths = [self._expand(path) for path in body.paths]
        if "" in paths:
            message = "VOLUME specified can not be an empty string"
            raise DockerfileError(message, hint="check the variables in it: one may be unset")
        volumes = dict.fromkeys((*self.config.volumes, *paths))
        self._configure(volumes=tuple(volumes))
        self._note(f"VOLUME {history.bare(paths)}")

    def _expose(self, body: ins.Expose) -> None:
        named = [w for port in body.ports for w in words.expand_words(port, self.env, self.escape)]
        found = ports.parse(named)
        merged = dict.fromkeys((*self.config.exposed_ports, *found))
        self._configure(exposed_ports=tuple(merged))
        self._note(f"EXPOSE {history.bare(found)}")

    def _healthcheck(self, body: ins.HealthcheckCmd) -> None:
        command = body.command
        test = (
            ("CMD", *command.argv)
            if command.argv is not None
            else ("CMD-SHELL", command.shell or "")
        )
        check = Healthcheck(
            test=test,
            interval=body.interval,
            timeout=body.timeout,
            start_period=body.start_period,
            start_interval=body.start_interval,
            retries=body.retries,
        )
        self._configure(healthcheck=check)
        self._note(history.healthcheck(test, body))

    def _stopsignal(self, body: ins.Stopsignal) -> None:
        signal = self._expand(body.signal)
        if not is_signal(signal):
            message = f"invalid signal {signal!r}"
            raise DockerfileError(message, hint="name one, as in SIGTERM, or give its number")
        self._configure(stop_signal=signal)
        self._note(f"STOPSIGNAL {signal}")


def _join(base: str, path: str) -> str:
    """Join a path to a WORKDIR; an absolute one is kept as it is written, and stays for none."""
    path = path or base
    if path.startswith("/"):
        return path
    return "/" + posixpath.normpath(f"{base}/{path}").strip("/")


def _is_lone_heredoc(command: Command) -> bool:
    """Whether a RUN is nothing but one heredoc: ``RUN <<EOF``."""
    text = (command.shell or "").strip()
    return (
        len(command.heredocs) == 1
        and text.lstrip("0123456789").startswith("<<")
        and not any(
            char in text.removeprefix("<<-").removeprefix("<<").strip("\"'") for char in " \t;&|<>"
        )
    )


def _replaced(env: tuple[str, ...], key: str, value: str) -> tuple[str, ...]:
    """Set a variable of an image's Env where it stands, or at the end."""
    entry = f"{key}={value}"
    found = [old.partition("=")[0] == key for old in env]
    if not any(found):
        return (*env, entry)
    first = found.index(True)
    return (*env[:first], entry, *env[first + 1 :])
