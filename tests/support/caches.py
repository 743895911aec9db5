"""Every kind of shared cache, each on a real server, for tests that all of them must pass."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.action import ActionKey, LayerRecord, StateID, StepResult
from mkbuild.cache.health import Health
from mkbuild.cache.open import open_cache, registry_carrier
from mkbuild.cache.registry import impatient
from mkbuild.cache.settings import RemoteSettings
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.cache.tiered import TieredCache
from mkbuild.digest import Digest
from mkbuild.filesystem import toc as tocs
from mkbuild.oci import mediatype
from mkbuild.registry.client import Client
from mkbuild.registry.config import RegistrySettings
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.tocs import put_toc


def client_for(registry: str, repository: str) -> Client:
    del repository
    return Client(registry, impatient(RegistrySettings()))


@dataclass
class Machine:
    """A computer with a store and a local cache of its own."""

    directory: Path
    remotes: tuple[RemoteSettings, ...]
    images: str = ""
    """Repository of a registry that layers travel by, ``host:port/name``."""
    store: MemoryBlobStore = field(default_factory=MemoryBlobStore)
    warnings: list[str] = field(default_factory=list)

    def run(self) -> TieredCache:
        """Begin an invocation."""
        warn = self.warnings.append
        local = SqliteKeyValue(self.directory / "actions.db", warn=warn)
        carriers = []
        if self.images:
            host, _, repository = self.images.partition("/")
            client = client_for(host, repository)
            carriers = [registry_carrier(client, repository, Health(self.images, warn))]
        return open_cache(
            local,
            self.remotes,
            store=self.store,
            client_for=client_for,
            warn=warn,
            carriers=carriers,
        )


Machines = Callable[..., Machine]


def make_machines(tmp_path: Path, *remotes: RemoteSettings) -> Machines:
    """Return a function that makes machines with the same shared caches, save for changes."""
    count = iter(range(100))

    def make(**changes: object) -> Machine:
        changed = tuple(replace(remote, **changes) for remote in remotes)  # type: ignore[arg-type]
        directory = tmp_path / f"machine{next(count)}"
        directory.mkdir()
        return Machine(directory, changed)

    return make


@dataclass(frozen=True)
class Result:
    """What a build gives to share: a step, and the layer between its states."""

    key: ActionKey
    step: StepResult
    pair: tuple[StateID, StateID]
    layer: LayerRecord
    content: bytes
    toc: tocs.Toc


def make_result(name: str, entries: int = 3) -> Result:
    """Make a result whose digests depend on the name; many entries make a big TOC."""
    listed = [
        tocs.Entry(
            f"{name}-{digests.of(b'%d' % i)[7:39]}",
            tocs.FILE,
            0o644,
            size=i,
            content=bytes.fromhex(digests.hex_of(digests.of(f"{name}{i}".encode()))),
        )
        for i in range(entries)
    ]
    toc = tocs.make(listed)
    content = f"the layer {name} ".encode() * 1000
    before, after = (StateID(digests.of(f"{name}{i}".encode())) for i in ("before", "after"))
    digest = digests.of(content)
    toc_digest = tocs.digest_of(*tocs.encode(toc))
    return Result(
        ActionKey(digests.of(f"{name} key".encode())),
        StepResult((before,), after, toc_digest, seconds=1.5),
        (before, after),
        LayerRecord(digest, len(content), mediatype.OCI_LAYER, digest, toc_digest),
        content,
        toc,
    )


def share(machine: Machine, result: Result, *, replace: bool = False) -> None:
    """Do what a build does with a result."""
    cache = machine.run()
    machine.store.put(result.content)
    put_toc(machine.store, result.toc)
    cache.put_step(result.key, result.step, replace=replace)
    cache.put_layer(result.pair, result.layer, replace=replace)
    cache.flush()


def layer_of(machine: Machine, digest: Digest) -> bytes:
    if not machine.store.has(digest):
        pytest.fail(f"{digest} was not fetched")
    return machine.store.read(digest)
