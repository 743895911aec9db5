from dataclasses import replace
from pathlib import Path

import pytest

from mkbuild.cache.open import open_cache
from mkbuild.cache.settings import Mode, RemoteSettings
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.cache.tiered import TieredCache
from mkbuild.errors import UsageError
from mkbuild.store.memory import MemoryBlobStore
from tests.support.caches import client_for

GOOD = [
    RemoteSettings("redis", "rediss://user:secret@cache/3"),
    RemoteSettings("redis", "unix:///run/redis.sock"),
    RemoteSettings("http", "https://user:secret@cache/x/", headers={"Authorization": "secret\n"}),
    RemoteSettings("makisu", "http://cache:8080"),
    RemoteSettings("registry", "localhost:5000/team/cache"),
    RemoteSettings("directory", "/srv/cache"),
]


def opened(tmp_path: Path, *remotes: RemoteSettings) -> TieredCache:
    local = SqliteKeyValue(tmp_path / "db", warn=pytest.fail)
    store = MemoryBlobStore()
    return open_cache(local, remotes, store=store, client_for=client_for, warn=pytest.fail)


def test_opening_touches_nothing_and_names_show_no_secret(tmp_path: Path) -> None:
    cache = opened(tmp_path, *GOOD)
    names = [tier.health.name for tier in cache._tiers]
    assert names == [
        "Redis at cache",
        "Redis at /run/redis.sock",
        "the HTTP cache https://cache/x",
        "the HTTP cache http://cache:8080",
        "the cache localhost:5000/team/cache",
        "the cache directory /srv/cache",
    ]
    assert list(tmp_path.iterdir()) == []
    assert "secret" not in repr(GOOD)


def test_modes(tmp_path: Path) -> None:
    modes: tuple[Mode, ...] = ("read-write", "read-only", "write-only", "off")
    cache = opened(tmp_path, *(replace(GOOD[-1], mode=mode) for mode in modes))
    assert [(tier.readable, tier.writable) for tier in cache._tiers] == [
        (True, True),
        (True, False),
        (False, True),
    ]


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        (RemoteSettings("redis", "http://cache"), "redis cache cannot begin with 'http'"),
        (RemoteSettings("http", "cache:80"), "http cache cannot begin with"),
        (RemoteSettings("makisu", "redis://x"), "makisu cache cannot begin with 'redis'"),
        (RemoteSettings("registry", "localhost:5000"), "needs a repository"),
        (RemoteSettings("directory", "/x", scope="a b"), "scope 'a b'"),
        (RemoteSettings("directory", "/x", read_scopes=("../x",)), "scope '../x'"),
        (RemoteSettings("directory", "/x", scope="x" * 41), "scope"),
        (RemoteSettings("directory", "/x", signing_key=b"short"), "at least 16 bytes"),
        (RemoteSettings("http", "http://x", headers={"A": "secret\r\nB: c"}), "header 'A'"),
        (RemoteSettings("http", "http://x", headers={"A": "secrét"}), "header 'A'"),
    ],
)
def test_settings_that_make_no_sense(tmp_path: Path, remote: RemoteSettings, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, remote)
    assert message in str(caught.value)
    assert caught.value.hint
    assert "secr" not in str(caught.value)
