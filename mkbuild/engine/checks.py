"""What ``doctor`` asks of the network: registries, shared caches, and the clock by their answers.

Everything is asked side by side, and nothing is waited for longer than :data:`SECONDS`.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import Workspace
from mkbuild.cache.open import open_remote
from mkbuild.cache.parallel import each, within
from mkbuild.cache.protocol import KeyValue, Record
from mkbuild.cache.settings import RemoteSettings
from mkbuild.engine.publish import destinations
from mkbuild.engine.request import Publishing
from mkbuild.errors import MkbuildError, UsageError, UserError
from mkbuild.frozen import frozen
from mkbuild.oci import reference as references
from mkbuild.oci.reference import Reference
from mkbuild.plan.planner import SCRATCH

if TYPE_CHECKING:
    from mkbuild.graph.targets import TargetGraph
    from mkbuild.registry.client import Client
    from mkbuild.registry.clients import Clients

SECONDS = 5.0
"""How long one registry, or one cache, is waited for."""

_THREADS = 32
_PROBE = "doctor-check"
_SKEW = 300
"""Seconds that a clock may be off: what tokens and certificates tolerate."""
_CACHE_FIXES = {
    "redis": "does redis-cli -u URL ping say PONG? password_env names where a password is",
    "http": "does the server take GET and PUT there? mode: read-only where it takes no PUT",
    "makisu": "does the server take GET and PUT at that address?",
    "registry": "as for a registry: is it up, and does docker login to it work?",
    "directory": "make it, mount it, or mode: read-only where this user may not write",
}


@frozen
class Check:
    """One line: what was looked at, how it is, whether that will do, and the fix where not."""

    name: str
    works: bool
    detail: str
    fix: str = ""


@frozen
class Use:
    """A registry that the workspace uses: by one of its repositories, and whether to push."""

    place: Reference
    push: bool


@dataclass(slots=True)
class Network:
    """Asks what a workspace needs; ``times`` are what servers say that it is now."""

    clients: "Clients"
    times: list[tuple[str, float]] = field(default_factory=list)

    def check(self, uses: Sequence[Use], caches: Sequence[RemoteSettings]) -> list[Check]:
        """Check all of them, and the clock last."""
        asked: list[Callable[[], Check]] = [partial(self._registry, use) for use in uses]
        asked += [partial(self._cache, settings) for settings in caches]
        checks = each(lambda ask: ask(), asked, _THREADS)
        return [*checks, self._clock()]

    def _registry(self, use: Use) -> Check:
        name = f"registry {use.place.registry}"
        purpose = "push" if use.push else "pull"
        try:
            login = self._login(use.place)
            how = within(SECONDS, partial(self._ask, use))
        except MkbuildError as error:
            fix = error.hint or "is the name right, and the registry up? a mirror can stand in"
            return Check(name, works=False, detail=f"{purpose}: {error.message}", fix=fix)
        except OSError as error:
            fix = "is the network up, and a proxy set where one is needed?"
            return Check(name, works=False, detail=f"{purpose}: {error}", fix=fix)
        return Check(name, works=True, detail=f"{purpose}: {how}, {login}")

    def _login(self, place: Reference) -> str:
        found = self.clients.credentials(place.registry, place.repository)
        if found is None:
            return "no login"
        return f"as {found.username}" if found.username else "with a token"

    def _ask(self, use: Use) -> str:
        """Ask whether one may do what is to be done; raises RegistryError."""
        from mkbuild.registry.probe import probe
        from mkbuild.registry.sources import LayoutSource, sources_of

        registry, repository = use.place.registry, use.place.repository
        if not use.push:
            first, *_ = sources_of(self.clients, use.place)
            if isinstance(first, LayoutSource):
                return f"from {first.name}"
        client = self._client_for(registry, repository)
        time_there = probe(client, repository, push=use.push)
        if time_there is not None:
            self.times.append((registry, time_there.timestamp()))
        return "accepted"

    def _client_for(self, registry: str, repository: str) -> "Client":
        from mkbuild.cache.registry import impatient

        return self.clients.get(registry, repository, impatient)

    def _cache(self, settings: RemoteSettings) -> Check:
        name = f"{settings.kind} cache"
        try:
            store = open_remote(settings, self._client_for).store
        except UsageError as error:
            return Check(name, works=False, detail=error.message, fix=error.hint or "")
        try:
            how = within(SECONDS, partial(_try_out, settings, store))
        except (OSError, ValueError) as error:
            detail = f"{store.name}: {error}"
            return Check(name, works=False, detail=detail, fix=_CACHE_FIXES[settings.kind])
        finally:
            store.close()
        return Check(name, works=True, detail=f"{store.name}: {how}")

    def _clock(self) -> Check:
        if not self.times:
            return Check("clock", works=True, detail="not compared: no registry said the time")
        registry, there = self.times[0]
        off = abs(time.time() - there)
        return Check(
            "clock",
            off <= _SKEW,
            f"{off:.0f} s from that of {registry}",
            "" if off <= _SKEW else "set it, or let chrony or systemd-timesyncd do so",
        )


def _try_out(settings: RemoteSettings, store: KeyValue) -> str:
    """Read, and write where that is allowed; raises OSError or ValueError."""
    if settings.kind == "directory" and not settings.writable:
        os.stat(settings.place)  # noqa: PTH116 -- raises where it is not there
    store.get_many([_PROBE])
    if not settings.writable:
        return "reads"
    value = os.urandom(8).hex().encode()
    store.put_many({_PROBE: Record(value)}, replace=True)
    if not settings.readable:
        return "writes"
    found = store.get_many([_PROBE]).get(_PROBE)
    if found is None:
        message = "what was written is not there"
        raise ValueError(message)
    return "reads and writes"


def uses_of(workspace: Workspace, graph: "TargetGraph") -> tuple[Use, ...]:
    """Return the registries of a workspace: those of its tags, and those of its bases."""
    found: dict[tuple[str, bool], Use] = {}
    for place, push in (*_pushed(workspace), *_pulled(graph)):
        found.setdefault((place.registry, push), Use(place, push))
    return tuple(sorted(found.values(), key=lambda use: (use.place.registry, use.push)))


def _pushed(workspace: Workspace) -> Iterator[tuple[Reference, bool]]:
    for target in workspace.targets.values():
        if target.publish:
            names = [tag for tag in target.tags if "$" not in tag]
            yield from ((place, True) for place in destinations(names, Publishing(push=True)))


def _pulled(graph: "TargetGraph") -> Iterator[tuple[Reference, bool]]:
    for outsides in graph.outsides.values():
        for outside in outsides:
            if outside.name != SCRATCH and not outside.context:
                # What is no name of an image is a build's to complain of.
                with contextlib.suppress(UserError):
                    yield references.parse(outside.name), False
