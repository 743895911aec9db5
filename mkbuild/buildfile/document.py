"""One build file's document: checked, with its defaults and profiles read."""

from collections.abc import Sequence
from dataclasses import field

from mkbuild.buildfile import yaml
from mkbuild.buildfile.check import Checker
from mkbuild.buildfile.describe import dotted
from mkbuild.buildfile.include import Source
from mkbuild.buildfile.models import DocumentModel, ProfileModel, SettingsModel, VariableModel
from mkbuild.buildfile.overrides import Override, OverrideReader
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Scene, Settings, settings_of
from mkbuild.buildfile.variables import Declared, Variables
from mkbuild.frozen import frozen
from mkbuild.location import Location

_ROOT_ONLY = ("cache", "registries", "profiles")
_READ_APART = ("defaults", "images", "profiles", "variables")


@frozen
class Profile:
    """Settings to put on top; ``env`` is the condition under which they are by themselves."""

    env: str
    overrides: tuple[Override, ...]


@frozen
class Document:
    """A build file; its images are read apart. ``model`` holds what is simply taken over."""

    source: Source
    model: DocumentModel
    defaults: Settings
    profiles: dict[str, Profile] = field(default_factory=dict)


def read_document(
    source: Source, variables: Variables, problems: Problems, *, root: bool
) -> Document | None:
    """Check everything but the images; what is wrong is in the problems."""
    for key in _ROOT_ONLY if not root else ():
        if key in source.tree.entries:
            problems.add(f"{key}: only in the root build file", source.tree.entries[key][0])
    apart = (key for key in _READ_APART if isinstance(source.tree.get(key), yaml.Mapping))
    checker = Checker(variables, problems)
    model = checker.check(DocumentModel, source.tree.without(*apart), ())
    defaults = _defaults(source, checker.fresh())
    profiles = _profiles(source, checker)
    return Document(source, model, defaults, profiles) if model else None


def declarations(sources: Sequence[Source], problems: Problems) -> dict[str, Declared]:
    """Return the variables that the files declare; what is wrong is in the problems."""
    declared: dict[str, Declared] = {}
    checker = Checker(None, problems)
    for source in sources:
        variables = source.tree.get("variables")
        if not isinstance(variables, yaml.Mapping):
            continue  # a wrong type is found when the document is checked
        for name, (place, node) in variables.entries.items():
            path = ("variables", name)
            if not (name.isidentifier() and name.isascii()):
                problems.add(f"{dotted(path)}: allowed: letters, digits and '_'", place)
            model = checker.check(VariableModel, node, path)
            if model is None:
                continue
            found = Declared(model.default, model.description, place)
            other = declared.setdefault(name, found)
            if other is not found and other.default != found.default:
                problems.add(
                    f"{dotted(path)}: declared at {other.location} already, with another default",
                    place,
                    "variables hold in the whole workspace: declare it once, or rename one",
                )
    return declared


def _defaults(source: Source, checker: Checker) -> Settings:
    node = source.tree.get("defaults")
    if not isinstance(node, yaml.Mapping):
        return Settings()

    def locate(*names: str | int) -> Location:
        return yaml.locate(node, names) or node.location

    def fail(what: str, where: Location) -> None:
        checker.problems.add(f"defaults.{what}", where)

    model = checker.check(SettingsModel, node, ("defaults",))
    if model is None:
        return Settings()
    scene = Scene(source.directory, source.label, locate, fail)
    return settings_of(model, scene, tuple(checker.uses))


def _profiles(source: Source, checker: Checker) -> dict[str, Profile]:
    nodes = source.tree.get("profiles")
    if not isinstance(nodes, yaml.Mapping):
        return {}
    reader = OverrideReader(checker.problems, source.directory)
    profiles: dict[str, Profile] = {}
    for name, (_, node) in nodes.entries.items():
        path = ("profiles", name)
        entries = node.get("set") if isinstance(node, yaml.Mapping) else None
        apart: yaml.Node = node
        overrides: list[Override] = []
        if isinstance(node, yaml.Mapping) and isinstance(entries, yaml.Mapping):
            apart = node.without("set")
            overrides = reader.profile(checker, (*path, "set"), entries)
        model = checker.check(ProfileModel, apart, path)
        if model:
            profiles[name] = Profile(model.when.env if model.when else "", tuple(overrides))
    return profiles
