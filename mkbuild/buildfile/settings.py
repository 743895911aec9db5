"""Settings of an image on their way to a target: checked, paths absolute, merged by rank.

A :data:`Settings` holds the members that somebody set, keyed as in :class:`Target`, and in
``places`` where each stands. Names of other targets stay references (with the directory that they
are seen from) until all targets are known.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, TypeVar

from mkbuild.buildfile import sources
from mkbuild.buildfile.models import OutputModel, SecretModel, SettingsModel, SshModel
from mkbuild.buildfile.target import GitUse, Output, Resources, Secret, Ssh, TargetContext
from mkbuild.frozen import frozen
from mkbuild.location import Location

T = TypeVar("T")

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


@frozen
class Name:
    """Another target's name, seen from a directory of the workspace."""

    text: str
    directory: str
    location: Location


@frozen
class Settings:
    """Members by name, where each was set, and the git facts that went into them."""

    members: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[str, Location] = field(default_factory=dict)
    uses: tuple[GitUse, ...] = ()

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
        replaced = frozenset(self.members) - MERGED
        kept = tuple(use for use in below.uses if use.member not in replaced)
        return Settings(members, {**below.places, **self.places}, (*kept, *self.uses))

    def heritage(self) -> "Settings":
        """Return what an image that inherits these gets."""
        kept = {key: value for key, value in self.members.items() if key not in NOT_INHERITED}
        uses = tuple(use for use in self.uses if use.member not in NOT_INHERITED)
        return Settings(kept, self.places, uses)


@frozen
class Scene:
    """What settings are read in.

    ``directory`` is the build file's, absolute, and ``label`` the same as in labels. ``locate``
    finds the place of a key path below the node, ``fail`` notes a problem.
    """

    directory: str
    label: str
    locate: Callable[..., Location]
    fail: Callable[[str, Location], None]

    def parsed(self, parse: Callable[[str, str], T], text: str, *names: str) -> T | None:
        """Parse a context; what is wrong is noted, and None returned."""
        try:
            return parse(text, self.directory)
        except ValueError as error:
            self.fail(f"{'.'.join(names)}: found {text!r}; {error}", self.locate(*names))
            return None


def settings_of(model: SettingsModel, scene: Scene, uses: tuple[GitUse, ...]) -> Settings:
    """Take over the members that were set; what is wrong with a context is noted."""
    members: dict[str, Any] = {}
    places: dict[str, Location] = {}
    for name in model.model_fields_set - _NOT_SETTINGS:
        places[name] = scene.locate(name)
        members[name] = _member(name, model, scene)
    if {"dockerfile", "dockerfile_inline"} <= members.keys():
        scene.fail(
            "dockerfile_inline: there is a dockerfile, too; only one can be meant",
            places["dockerfile_inline"],
        )
    return Settings(members, places, uses)


def _member(name: str, model: SettingsModel, scene: Scene) -> object:
    value = getattr(model, name)
    if name == "resources":
        return Resources(**model.resources.model_dump(exclude_unset=True))
    if name in _AS_IS:
        return value
    if isinstance(value, dict):
        return _contexts(value, scene) if name == "contexts" else dict(value)
    if isinstance(value, str):
        return scene.parsed(sources.parse_main, value, name)
    return _list(name, value, scene)


def _list(name: str, items: list[Any], scene: Scene) -> object:
    directory = scene.directory
    match name:
        case "secrets":
            return {item.id: _secret(item, directory) for item in items}
        case "ssh":
            return {item.id: _ssh(item, directory) for item in items}
        case "outputs":
            found = (_output(item, index, scene) for index, item in enumerate(items))
            return tuple(output for output in found if output)
        case "depends_on":
            return tuple(
                Name(text, scene.label, scene.locate(name, index))
                for index, text in enumerate(items)
            )
        case _:
            return tuple(items)


def _output(item: OutputModel, index: int, scene: Scene) -> Output | None:
    try:
        return sources.output(item.type, item.dest, scene.directory, tar=item.tar)
    except ValueError as error:
        scene.fail(f"outputs: {error}", scene.locate("outputs", index))
        return None


def _contexts(texts: Mapping[str, str], scene: Scene) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, text in texts.items():
        source = scene.parsed(sources.parse, text, "contexts", key)
        if isinstance(source, TargetContext):
            found[key] = Name(source.name, scene.label, scene.locate("contexts", key))
        else:
            found[key] = source
    return found


def _secret(model: SecretModel, directory: str) -> Secret:
    src = None if model.src is None else sources.absolute(model.src, directory)
    return Secret(model.id, model.env, src)


def _ssh(model: SshModel, directory: str) -> Ssh:
    return Ssh(model.id, tuple(sources.absolute(path, directory) for path in model.paths))
