"""From files to a workspace: the one way in."""

from collections.abc import Mapping, Sequence

from mkbuild.buildfile.document import Document, Profile, declarations, read_document
from mkbuild.buildfile.files import Files, GitFacts
from mkbuild.buildfile.finish import Finisher
from mkbuild.buildfile.groups import groups_of
from mkbuild.buildfile.images import Draft, drafts_of
from mkbuild.buildfile.include import Gatherer, Source
from mkbuild.buildfile.inherit import inherit
from mkbuild.buildfile.names import Names
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.overrides import Override, OverrideReader, apply
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.shared import cache_settings, registry_settings
from mkbuild.buildfile.target import Evidence, Target, Variable, Workspace
from mkbuild.buildfile.variables import Variables
from mkbuild.errors import UsageError


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
    values = Variables(declarations(sources, problems), variables or {}, env, git)
    problems.raise_any()
    documents, drafts = _read(sources, values, problems)
    problems.raise_any()
    active = _active(documents[0].profiles, profiles, values)
    overlay = [
        *(override for profile in active.values() for override in profile.overrides),
        *OverrideReader(problems, gatherer.root).command_line(overrides),
    ]
    problems.raise_any()
    targets = _targets(documents, drafts, overlay, files, problems)
    groups = groups_of(documents, targets, drafts, problems)
    problems.raise_any()
    _refuse_unused(values)
    first = documents[0].model
    return Workspace(
        root=gatherer.root,
        targets=targets,
        groups=groups,
        cache=cache_settings(first.cache, gatherer.root),
        registries=registry_settings(first.registries, gatherer.root),
        variables=_variables(values),
        profiles=tuple(active),
        evidence=Evidence(
            tuple(source.file for source in sources),
            tuple(gatherer.globs),
            values.asked_env,
            values.asked_git,
        ),
    )


def _read(
    sources: Sequence[Source], values: Variables, problems: Problems
) -> tuple[list[Document], dict[str, Draft]]:
    documents: list[Document] = []
    drafts: dict[str, Draft] = {}
    for index, source in enumerate(sources):
        document = read_document(source, values, problems, root=index == 0)
        if document:
            documents.append(document)
        for draft in drafts_of(source, values, problems):
            other = drafts.setdefault(draft.label, draft)
            if other is not draft:
                problems.add(
                    f"images.{draft.name}: {draft.label} is declared at {other.location} already",
                    draft.location,
                )
    return documents, drafts


def _active(
    known: Mapping[str, Profile], wanted: Sequence[str], values: Variables
) -> dict[str, Profile]:
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"there is no profile {name!r} (there are: {', '.join(known) or 'none'})",
                hint=did_you_mean(name, known),
            )
    return {
        name: profile
        for name, profile in known.items()
        if name in wanted or (profile.env and _holds(profile.env, values))
    }


def _holds(condition: str, values: Variables) -> bool:
    name, equals, wanted = condition.partition("=")
    value = values.environment(name)
    return value == wanted if equals else bool(value)


def _targets(
    documents: Sequence[Document],
    drafts: Mapping[str, Draft],
    overlay: Sequence[Override],
    files: Files,
    problems: Problems,
) -> dict[str, Target]:
    """Merge settings by rank, from below: defaults, inherited, own, profiles, --set."""
    merged = inherit(drafts, problems)
    problems.raise_any()
    bottom = documents[0].defaults
    defaults = {document.source.file: document.defaults.over(bottom) for document in documents[1:]}
    real = [label for label, draft in drafts.items() if not draft.template]
    put = apply(overlay, real, problems)
    finisher = Finisher(files, Names(real), problems)
    targets: dict[str, Target] = {}
    for label in real:
        below = defaults.get(drafts[label].source.file, bottom)
        target = finisher.target(drafts[label], put(label, merged[label].over(below)))
        if target:
            targets[label] = target
    return targets


def _variables(values: Variables) -> dict[str, Variable]:
    return {
        name: Variable(
            name, values.known(name), declared.default, declared.description, declared.location
        )
        for name, declared in values.declared.items()
    }


def _refuse_unused(values: Variables) -> None:
    for name in sorted(values.unused.difference(values.declared)):
        raise UsageError(
            f"--var {name}: no build file declares or uses the variable {name}",
            hint=did_you_mean(name, values.declared),
        )
