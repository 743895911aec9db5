"""The values that variables have: declared ones, the environment, git, the matrix."""

from collections.abc import Mapping

from mkbuild.buildfile.files import GitFacts
from mkbuild.buildfile.interpolate import DEFERRED, TemplateError, expand
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.frozen import frozen
from mkbuild.location import Location

GIT_FACTS = ("sha", "short_sha", "describe", "branch", "tag", "dirty")


@frozen
class Declared:
    """A variable as a build file declares it."""

    default: str | None
    description: str
    location: Location


@frozen
class Expanded:
    """An expanded text, and the git facts that went into it."""

    text: str
    facts: frozenset[str] = frozenset()


class Variables:
    """Looks up names; what was asked of the environment and of git is kept as evidence.

    A declared variable's value is ``--var``, else the environment variable of its name, else its
    default (which may use other variables). Values given from outside are not expanded again.
    """

    def __init__(
        self,
        declared: Mapping[str, Declared],
        given: Mapping[str, str],
        env: Mapping[str, str],
        git: GitFacts,
    ) -> None:
        """Take the declarations, ``--var``, the environment and the git facts."""
        self.declared = declared
        self.asked_env: dict[str, str | None] = {}
        self.asked_git: dict[str, str | None] = {}
        self.unused = set(given)
        self._given = given
        self._env = env
        self._git = git
        self._known: dict[str, Expanded | None] = {}
        self._open: list[str] = []

    def expand(self, text: str, matrix: Mapping[str, str] | None = None) -> Expanded:
        """Expand a text; raises TemplateError."""
        if "$" not in text:
            return Expanded(text)
        facts: set[str] = set()

        def lookup(name: str, optional: bool) -> str | None:  # noqa: FBT001 -- the Lookup shape
            found = self._lookup(name, optional=optional, matrix=matrix or {})
            if found is None:
                return None
            facts.update(found.facts)
            return found.text

        return Expanded(expand(text, lookup), frozenset(facts))

    def known(self, name: str) -> str | None:
        """Return a variable's value where something has asked for it, else None."""
        found = self._known.get(name)
        return found.text if found else None

    def environment(self, name: str) -> str | None:
        """Return an environment variable, and keep that it was asked for."""
        self.asked_env[name] = value = self._env.get(name)
        return value

    def _lookup(self, name: str, *, optional: bool, matrix: Mapping[str, str]) -> Expanded | None:
        family, dot, member = name.partition(".")
        if not dot:
            return self._named(name, optional=optional)
        match family:
            case "env":
                return self._from_environment(member, optional=optional)
            case "git":
                return self._fact(member, optional=optional)
            case "matrix":
                return _from_matrix(member, matrix)
            case _:
                known = DEFERRED if family == "inputs" else ("env", "git", "matrix", "inputs")
                raise TemplateError(
                    f"${{{name}}} is unknown; allowed: {', '.join(known)}",
                    hint=did_you_mean(name if family == "inputs" else family, known),
                )

    def _from_environment(self, name: str, *, optional: bool) -> Expanded | None:
        value = self.environment(name)
        if value is None and not optional:
            raise TemplateError(
                f"the environment variable {name} is not set",
                hint=f"set it, or write ${{env.{name}:-default}}",
            )
        return None if value is None else Expanded(value)

    def _fact(self, fact: str, *, optional: bool) -> Expanded | None:
        if fact not in GIT_FACTS:
            raise TemplateError(
                f"${{git.{fact}}} is unknown; allowed: {', '.join(GIT_FACTS)}",
                hint=did_you_mean(fact, GIT_FACTS),
            )
        if fact not in self.asked_git:
            self.asked_git[fact] = self._git(fact)
        value = self.asked_git[fact]
        if value is None:
            if optional:
                return None
            raise TemplateError(
                f"${{git.{fact}}} has no value here: no git checkout, or it has none",
                hint=f"write ${{git.{fact}:-default}}",
            )
        return Expanded(value, frozenset({f"git.{fact}"}))

    def _named(self, name: str, *, optional: bool) -> Expanded | None:
        if name not in self.declared and not optional:
            raise TemplateError(
                f"the variable {name} is not declared",
                hint=did_you_mean(name, self.declared)
                or f"declare it under variables:, or write ${{env.{name}}}",
            )
        found = self._variable(name)
        if found is None and not optional:
            raise TemplateError(
                f"the variable {name} has neither a value nor a default",
                hint=f"give it: --var {name}=VALUE",
            )
        return found

    def _variable(self, name: str) -> Expanded | None:
        if name in self._known:
            return self._known[name]
        if name in self._open:
            path = " → ".join([*self._open[self._open.index(name) :], name])
            raise TemplateError(f"variables that need each other: {path}")
        self._open.append(name)
        try:
            value = self._evaluate(name)
        finally:
            self._open.pop()
        self._known[name] = value
        return value

    def _evaluate(self, name: str) -> Expanded | None:
        self.unused.discard(name)
        if name in self._given:
            return Expanded(self._given[name])
        outside = self.environment(name)
        if outside is not None:
            return Expanded(outside)
        declared = self.declared.get(name)
        if declared is None or declared.default is None:
            return None
        return self.expand(declared.default)


def _from_matrix(axis: str, matrix: Mapping[str, str]) -> Expanded:
    if axis in matrix:
        return Expanded(matrix[axis])
    raise TemplateError(
        f"${{matrix.{axis}}} is not in this image's matrix (its keys: "
        f"{', '.join(matrix) or 'it has none'})",
        hint=did_you_mean(axis, matrix),
    )
