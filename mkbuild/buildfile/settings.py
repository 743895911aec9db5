"""Settings of an image on their way to a target: checked, paths absolute, merged by rank.

A :data:`Settings` holds the members that somebody set, keyed as in :class:`Target`, and in
``places`` where each stands. Names of other targets stay references (with the directory that they
are seen from) until all targets are known.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mkbuild.buildfile import sources
from mkbuild.buildfile.models import (
    ImageModel,
    OutputModel,
    SecretModel,
    SettingsModel,
    SshModel,
)
from mkbuild.buildfile.target import Output, Secret, Ssh
from mkbuild.location import Location

MERGED = frozenset({"args", "contexts", "labels", "add_hosts", "secrets", "ssh"})
"""Members that are merged key by key (secrets and ssh by their id); all others replace."""

NOT_INHERITED = frozenset({"tags", "outputs"})
"""What belongs to one image alone."""

_RIVALS = {"dockerfile": "dockerfile_inline", "dockerfile_inline": "dockerfile"}
_AS_IS = frozenset(
    {
        "commit",
        "compression",
        "dockerfile",
        "dockerfile_inline",
        "network",
        "no_cache",
        "publish",
        "pull",
        "target",
        "timestamps",
    }
)
_NOT_SETTINGS = frozenset({"inherits", "matrix", "name"})


@dataclass(frozen=True, slots=True)
class Name:
    """Another target's name, seen from a directory of the workspace."""

    text: str
    directory: str
    location: Location


@dataclass(frozen=True, slots=True)
class Settings:
    """Members by name, and where each was set."""

    members: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)

    def over(self, below: "Settings") -> "Settings":
        """Return these settings on top of others."""
        if not below.members:
            return self
        members = dict(below.members)
        for key, value in self.members.items():
            if key in MERGED and key in members:
                members[key] = {**members[key], **value}
            else:
                members[key] = value
            members.pop(_RIVALS.get(key, ""), None)
        return Settings(members, {**below.places, **self.places})

    def heritage(self) -> "Settings":
        """Return what an image that inherits these gets."""
        kept = {key: value for key, value in self.members.items() if key not in NOT_INHERITED}
        return Settings(kept, self.places)


Locate = Callable[..., Location]
"""Finds the place of a key path below the node that the settings come from."""

Fail = Callable[[str, Location], None]
"""Notes a problem."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where settings come from: the build file's absolute directory and its label."""

    directory: str
    label: str


def settings_of(model: SettingsModel, origin: Origin, locate: Locate, fail: Fail) -> Settings:
    """Take over the members that were set; what is wrong with a context is noted by ``fail``."""
    members: dict[str, Any] = {}
    places: dict[str, Location] = {}
    for name in model.model_fields_set - _NOT_SETTINGS:
        places[name] = locate(name)
        key = "weight" if name == "resources" else name
        members[key] = _member(name, getattr(model, name), origin, locate, fail)
    if isinstance(model, ImageModel) and {"dockerfile", "dockerfile_inline"} <= members.keys():
        fail("dockerfile and dockerfile_inline: only one can be meant", places["dockerfile_inline"])
    return Settings(members, places)


def _member(name: str, value: Any, origin: Origin, locate: Locate, fail: Fail) -> Any:  # noqa: ANN401 -- the members differ in type
    directory = origin.directory
    if name in _AS_IS:
        return value
    match name:
        case "context":
            return _parsed(sources.parse_main, value, directory, fail, locate(name), name)
        case "contexts":
            return {
                key: _context(text, origin, fail, locate(name, key), f"contexts.{key}")
                for key, text in value.items()
            }
        case "secrets":
            return {secret.id: _secret(secret, directory) for secret in value}
        case "ssh":
            return {agent.id: _ssh(agent, directory) for agent in value}
        case "resources":
            return value.weight
        case "outputs":
            return tuple(_output(output, directory) for output in value)
        case "depends_on":
            return tuple(
                Name(text, origin.label, locate(name, index)) for index, text in enumerate(value)
            )
    return dict(value) if isinstance(value, dict) else tuple(value)


def _context(text: str, origin: Origin, fail: Fail, place: Location, key: str) -> object:
    source = _parsed(sources.parse, text, origin.directory, fail, place, key)
    if isinstance(source, sources.TargetContext):
        return Name(source.name, origin.label, place)
    return source


def _parsed(  # noqa: PLR0913 -- a parser, what it needs, and where to complain
    parse: Callable[[str, str], object],
    text: str,
    directory: str,
    fail: Fail,
    place: Location,
    key: str,
) -> object:
    try:
        return parse(text, directory)
    except ValueError as error:
        fail(f"{key}: found {text!r}; {error}", place)
        return None


def _secret(model: SecretModel, directory: str) -> Secret:
    src = None if model.src is None else sources.absolute(model.src, directory)
    return Secret(model.id, model.env, src)


def _ssh(model: SshModel, directory: str) -> Ssh:
    return Ssh(model.id, tuple(sources.absolute(path, directory) for path in model.paths))


def _output(model: OutputModel, directory: str) -> Output:
    return Output(model.type, sources.absolute(model.dest, directory), model.tar)
