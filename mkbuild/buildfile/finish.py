"""The last step: merged settings become a target."""

import posixpath
from typing import Any

from mkbuild.buildfile.files import Files
from mkbuild.buildfile.images import Draft
from mkbuild.buildfile.inherit import resolve_name
from mkbuild.buildfile.names import Names
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Name, Settings
from mkbuild.buildfile.target import DirectoryContext, GitContext, Target, TargetContext


class Finisher:
    """Makes targets; each context directory is looked for once."""

    def __init__(self, files: Files, names: Names, problems: Problems) -> None:
        """Take the files and the names of all targets."""
        self.files = files
        self.names = names
        self.problems = problems
        self._directories: dict[str, bool] = {}

    def target(self, draft: Draft, settings: Settings) -> Target | None:
        """Return the target, or None where a problem was found."""
        before = len(self.problems)
        members: dict[str, Any] = dict(settings.members)
        context = members.pop("context", None) or DirectoryContext(draft.source.directory)
        self._look(draft, settings, context)
        if "depends_on" in members:
            members["depends_on"] = tuple(
                label
                for name in members["depends_on"]
                if (label := self._label(draft, name, "depends_on"))
            )
        if "contexts" in members:
            members["contexts"] = {
                key: self._context(draft, key, source)
                for key, source in members["contexts"].items()
            }
        for key in ("secrets", "ssh"):
            if key in members:
                members[key] = tuple(members[key].values())
        for key in ("dockerfile_inline", "target"):
            if key in members:
                members[key] = members[key] or None
        if members.get("dockerfile_inline"):
            members["inline_at"] = settings.places["dockerfile_inline"]
        dockerfile = members.pop("dockerfile", "Dockerfile")
        if len(self.problems) > before:
            return None
        return Target(
            label=draft.label,
            name=draft.name,
            location=draft.location,
            context=context,
            dockerfile=_dockerfile(context, dockerfile),
            git_uses=settings.uses,
            **members,
        )

    def _look(
        self, draft: Draft, settings: Settings, context: DirectoryContext | GitContext
    ) -> None:
        if not isinstance(context, DirectoryContext):
            return
        path = context.path
        if path not in self._directories:
            self._directories[path] = self.files.exists(path)
        if not self._directories[path]:
            self.problems.add(
                f"images.{draft.name}.context: there is no directory {path}",
                settings.places.get("context", draft.location),
                "paths are relative to the build file",
            )

    def _label(self, draft: Draft, name: Name, member: str) -> str | None:
        what = f"images.{draft.name}.{member}"
        label = resolve_name(name, self.names, what, self.problems)
        if label == draft.label:
            self.problems.add(f"{what}: a target cannot need itself", name.location)
        return label

    def _context(self, draft: Draft, key: str, source: object) -> object:
        if not isinstance(source, Name):
            return source
        label = self._label(draft, source, f"contexts.{key}")
        return TargetContext(label or source.text)


def _dockerfile(context: DirectoryContext | GitContext, dockerfile: str) -> str:
    if isinstance(context, DirectoryContext):
        return posixpath.normpath(posixpath.join(context.path, dockerfile))
    return posixpath.normpath(dockerfile)
