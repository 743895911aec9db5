"""States over a store of their own, as a build has them."""

from pathlib import Path

import pytest

from mkbuild.cache.open import open_cache
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.engine.layers import FetchBase, LayerSource
from mkbuild.execute.states import States
from mkbuild.registry.client import Client
from mkbuild.snapshot.trees import TreeStore
from mkbuild.store.files import FileStore


def open_states(place: Path, fetch: FetchBase) -> States:
    """Open the states of a new build on the store in a directory; it asks no registry."""
    store, trees = FileStore(place / "store"), TreeStore(place / "trees", single_id=True)
    local = SqliteKeyValue(place / "db", warn=pytest.fail)
    cache = open_cache(local, [], store=store, client_for=_nobody, warn=pytest.fail)
    layers = LayerSource(store=store, trees=trees, cache=cache, fetch_base=fetch, single_id=True)
    return States(store, trees, layers, cache)


def _nobody(registry: str, repository: str) -> Client:
    pytest.fail(f"asked {registry}/{repository}")
