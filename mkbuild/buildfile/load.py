"""From files to a workspace: the one way in."""

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mkbuild.buildfile import yaml
from mkbuild.buildfile.check import Checker, dotted
from mkbuild.buildfile.files import Files, GitFacts
from mkbuild.buildfile.finish import Finisher
from mkbuild.buildfile.images import Draft, drafts_of
from mkbuild.buildfile.include import Gatherer, Source
from mkbuild.buildfile.inherit import inherit
from mkbuild.buildfile.interpolate import TemplateError
from mkbuild.buildfile.models import NAME, DocumentModel, VariableModel
from mkbuild.buildfile.names import Names
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.overrides import Override, OverrideReader, apply
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Origin, Settings, settings_of
from mkbuild.buildfile.shared import cache_settings, registry_settings
from mkbuild.buildfile.target import Evidence, Group, GroupItem, Target, Variable, Workspace
from mkbuild.buildfile.variables import Declared, Variables
from mkbuild.errors import UsageError
from mkbuild.location import Location

_ROOT_ONLY = ("cache", "registries", "profiles")
_NAME = re.compile(NAME + r"\Z")
_RESERVED_GROUPS = frozenset({"all"})


def load(  # noqa: PLR0913 -- each is one input of the whole
    root: str,
    files: Files,
    *,
    env: Mapping[str, str],
    git: GitFacts,
    variables: Mapping[str, str] | None = None,
    profiles: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> Workspace:
    """Load the workspace whose root build file is ``root`` (an absolute path).

    ``variables`` are ``--var``, ``profiles`` ``--profile``, ``overrides`` ``--set``. Raises
    BuildFileError with everything that is wrong, UsageError for an unknown variable or profile.
    """
    problems = Problems()
    gatherer = Gatherer(files, root, problems)
    sources = gatherer.gather()
    problems.raise_any()
    values = Variables(_declarations(sources, problems), variables or {}, env, git)
    problems.raise_any()
    loading = _Loading(gatherer.root, values, problems)
    loading.read(sources)
    problems.raise_any()
    active = loading.active(profiles)
    targets = loading.targets(
        files, [*loading.profile_overrides(active), *loading.given(overrides)]
    )
    problems.raise_any()
    declared = _declared(values, problems)
    problems.raise_any()
    _refuse_unused(values)
    first = loading.documents[0]
    return Workspace(
        root=gatherer.root,
        targets=targets,
        groups=loading.groups(targets),
        cache=cache_settings(first.model.cache, gatherer.root),
        registries=registry_settings(first.model.registries, gatherer.root),
        variables=declared,
        profiles=tuple(active),
        evidence=Evidence(
            tuple(source.file for source in sources),
            tuple(gatherer.globs),
            values.asked_env,
            values.asked_git,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Document:
    source: Source
    model: DocumentModel
    defaults: Settings


@dataclass(slots=True)
class _Loading:
    root: str
    variables: Variables
    problems: Problems
    documents: list[_Document] = field(default_factory=list)
    drafts: dict[str, Draft] = field(default_factory=dict)

    def read(self, sources: Sequence[Source]) -> None:
        """Check every document and its images."""
        for index, source in enumerate(sources):
            self._document(source, root=index == 0)
            for draft in drafts_of(source, self.variables, self.problems):
                other = self.drafts.setdefault(draft.label, draft)
                if other is not draft:
                    self.problems.add(
                        f"images.{draft.name}: {draft.label} is declared at {other.location} "
                        "already",
                        draft.location,
                    )

    def _document(self, source: Source, *, root: bool) -> None:
        if not root:
            for key in _ROOT_ONLY:
                if key in source.tree.entries:
                    place = source.tree.entries[key][0]
                    self.problems.add(f"{key}: only in the root build file", place)
        checker = Checker(self.variables, self.problems)
        images = source.tree.entries.get("images")
        tree = source.tree.without("images", "variables")
        if images and not isinstance(images[1], yaml.Mapping):
            tree = source.tree.without("variables")
        model = checker.check(DocumentModel, tree, ())
        node = source.tree.get("defaults")
        if model is None:
            return
        place = node.location if node else source.tree.location

        def locate(*names: str | int) -> Location:
            entry = node.entries.get(str(names[0])) if isinstance(node, yaml.Mapping) else None
            return entry[0] if entry else place

        def fail(what: str, where: Location) -> None:
            self.problems.add(f"defaults.{what}", where)

        origin = Origin(source.directory, source.label)
        defaults = settings_of(model.defaults, origin, locate, fail)
        self.documents.append(_Document(source, model, defaults))

    def active(self, wanted: Sequence[str]) -> list[str]:
        """Return the profiles that count, in the order of the file."""
        known = self.documents[0].model.profiles
        for name in wanted:
            if name not in known:
                raise UsageError(
                    f"there is no profile {name!r} (there are: {', '.join(known) or 'none'})",
                    hint=did_you_mean(name, known),
                )
        return [
            name
            for name, profile in known.items()
            if name in wanted or (profile.when and self._holds(profile.when.env))
        ]

    def _holds(self, condition: str) -> bool:
        name, equals, wanted = condition.partition("=")
        value = self.variables.environment(name)
        return value == wanted if equals else bool(value)

    def profile_overrides(self, active: Iterable[str]) -> list[Override]:
        """Read the settings of active profiles."""
        source = self.documents[0].source
        reader = OverrideReader(self.problems, Origin(source.directory, ""))
        found = []
        profiles = source.tree.get("profiles")
        for name in active:
            assert isinstance(profiles, yaml.Mapping)  # noqa: S101 -- the document was checked
            profile = profiles.get(name)
            assert isinstance(profile, yaml.Mapping)  # noqa: S101 -- likewise
            entries = profile.get("set")
            if isinstance(entries, yaml.Mapping):
                checker = Checker(self.variables, self.problems)
                found += reader.profile(checker, ("profiles", name, "set"), entries)
        return found

    def given(self, texts: Sequence[str]) -> list[Override]:
        """Read ``--set``."""
        return OverrideReader(self.problems, Origin(self.root, "")).command_line(list(texts))

    def targets(self, files: Files, overrides: list[Override]) -> dict[str, Target]:
        """Merge settings by rank: defaults, inherited, own, profiles, ``--set``."""
        merged = inherit(self.drafts, self.problems)
        self.problems.raise_any()
        defaults = {document.source.file: document.defaults for document in self.documents}
        bottom = self.documents[0].defaults
        real = [label for label, draft in self.drafts.items() if not draft.template]
        put = apply(overrides, real, self.problems)
        finisher = Finisher(files, Names(real), self.problems)
        targets = {}
        for label in real:
            draft = self.drafts[label]
            own = defaults[draft.source.file]
            below = own.over(bottom) if own is not bottom else bottom
            settings = put(label, merged[label].over(below))
            target = finisher.target(draft, settings)
            if target:
                targets[label] = target
        return targets

    def groups(self, targets: Mapping[str, Target]) -> dict[str, Group]:
        """Join the groups of all files with what images say of themselves, and matrices."""
        items: dict[str, dict[GroupItem, None]] = {}
        for document in self.documents:
            node = document.source.tree.get("groups")
            for name, texts in document.model.groups.items():
                self._check_group(name, node)
                assert isinstance(node, yaml.Mapping)  # noqa: S101 -- the document was checked
                members = node.get(name)
                assert isinstance(members, yaml.Sequence)  # noqa: S101 -- likewise
                for text, member in zip(texts, members.items, strict=True):
                    item = GroupItem(text, member.location, document.source.label)
                    items.setdefault(name, {})[item] = None
        for label, target in targets.items():
            for name in target.groups:
                items.setdefault(name, {})[GroupItem(label, target.location)] = None
        for label in targets:
            draft = self.drafts[label]
            if draft.matrix_of:
                item = GroupItem(label, draft.location)
                items.setdefault(draft.matrix_of, {})[item] = None
        self.problems.raise_any()
        return {name: Group(name, tuple(found)) for name, found in items.items()}

    def _check_group(self, name: str, node: yaml.Node | None) -> None:
        assert isinstance(node, yaml.Mapping)  # noqa: S101 -- the document was checked
        place = node.entries[name][0]
        if name in _RESERVED_GROUPS:
            self.problems.add(f"groups.{name}: the name means every target", place)
        elif not _NAME.match(name):
            self.problems.add(
                f"groups.{name}: allowed: letters, digits, '_', '.', '-' (these two not at its "
                "ends)",
                place,
            )


def _declarations(sources: Sequence[Source], problems: Problems) -> dict[str, Declared]:
    declared: dict[str, Declared] = {}
    checker = Checker(None, problems)
    for source in sources:
        entry = source.tree.entries.get("variables")
        if entry is None:
            continue
        if not isinstance(entry[1], yaml.Mapping):
            tree = yaml.Mapping({"variables": entry}, source.tree.location)
            checker.check(DocumentModel, _versioned(tree), ())
            continue
        for name, (place, node) in entry[1].entries.items():
            path = ("variables", name)
            if not name.isidentifier() or not name.isascii():
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


def _versioned(tree: yaml.Mapping) -> yaml.Mapping:
    version = yaml.Scalar("1", plain=True, location=tree.location)
    return yaml.Mapping({"version": (tree.location, version), **tree.entries}, tree.location)


def _declared(values: Variables, problems: Problems) -> dict[str, Variable]:
    variables = {}
    for name, declared in values.declared.items():
        try:
            value = values.value(name)
        except TemplateError as error:
            problems.add(
                f"variables.{name}.default: {error.message}", declared.location, error.hint
            )
            continue
        variables[name] = Variable(name, value, declared.description, declared.location)
    return variables


def _refuse_unused(values: Variables) -> None:
    for name in sorted(values.unused):
        raise UsageError(
            f"--var {name}: no build file declares or uses the variable {name}",
            hint=did_you_mean(name, values.declared),
        )
