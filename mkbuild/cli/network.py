"""doctor's part about the network: what the workspace here needs of it, asked of the servers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mkbuild.buildfile.target import Workspace
from mkbuild.cli.asking import Question, ask
from mkbuild.cli.common import Common
from mkbuild.cli.request import take_caches, take_sources
from mkbuild.engine.caches import remote_settings
from mkbuild.engine.checks import Check, Network, uses_of
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.workspace import find_root
from mkbuild.errors import MkbuildError, UsageError


def network_checks(common: Common, params: dict[str, Any]) -> list[Check]:
    """Check registries, caches and the clock; without a build file, the caches of flags alone."""
    try:
        question = _question(common, params)
        workspace = question.workspace if question else Workspace(str(common.directory))
        caches = remote_settings(take_caches(params, common.directory), workspace)
        uses = uses_of(workspace, question.graph) if question else ()
        access = RegistryAccess(
            workspace.registries,
            take_sources(params, common.directory),
            Path(workspace.root),
            lambda _: None,
        )
        try:
            return Network(access.clients()).check(uses, caches)
        finally:
            access.close()
    except MkbuildError as error:
        place = f"{error.location}: " if error.location else ""
        return [Check("settings", False, f"{place}{error.message}", error.hint or "")]


def _question(common: Common, params: Mapping[str, Any]) -> Question | None:
    """Return the workspace here; None where there is none."""
    if not common.file:
        try:
            find_root(common.directory)
        except UsageError:
            return None
    return ask(common, dict(params))
