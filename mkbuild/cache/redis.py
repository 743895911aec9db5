"""A cache in Redis (or Valkey, KeyDB, …): entries, and the blobs that are small.

Layers do not belong into a server's memory: they travel by another cache or the registry.
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mkbuild import digest as digests
from mkbuild.cache.protocol import Record
from mkbuild.cache.transfer import receive
from mkbuild.digest import Digest
from mkbuild.errors import UsageError
from mkbuild.store.protocol import BlobStore

if TYPE_CHECKING:
    from redis import Redis

BLOB_LIMIT = 4 << 20
"""Bytes up to which a blob is kept in Redis: the compressed TOC of a big base, but no layer."""

_PREFIX = "mkbuild:"
_CONNECT_SECONDS, _READ_SECONDS = 2.0, 3.0


class RedisCache:
    """KeyValue and (for small blobs) BlobCarrier on Redis; needs the extra ``mkbuild[redis]``.

    ``url``: ``redis://[user:password@]host[:port][/database]``, ``rediss://`` for TLS, or
    ``unix:///path``. ``ttl`` in seconds, 0: for ever; uses are noted where ``writable``. Raises
    UsageError where the package is not installed.
    """

    def __init__(
        self, url: str, *, ttl: int, password: str | None = None, writable: bool = True
    ) -> None:
        if find_spec("redis") is None:
            message = "a Redis cache needs the package redis"
            raise UsageError(message, hint="pip install 'mkbuild[redis]'")
        parts = urlsplit(url)
        self.name = f"Redis at {parts.netloc.rpartition('@')[2] or parts.path}"
        self._url = url
        self._password = password
        self._ttl = ttl
        self._writable = writable
        self._client: Redis | None = None

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up keys in one round trip (and note the uses in another)."""
        if not keys:
            return {}
        names = [f"{_PREFIX}{key}" for key in keys]
        with _plain_errors():
            values = _list(self._open().mget(names), len(keys))
            found = {key: _bytes(v) for key, v in zip(keys, values, strict=True) if v is not None}
            if found and self._ttl and self._writable:
                pipeline = self._open().pipeline(transaction=False)
                for key in found:
                    pipeline.expire(f"{_PREFIX}{key}", self._ttl)
                pipeline.execute()
        return found

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries in one round trip."""
        with _plain_errors():
            pipeline = self._open().pipeline(transaction=False)
            for key, record in records.items():
                pipeline.set(f"{_PREFIX}{key}", record.value, ex=self._ttl or None, nx=not replace)
            pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Fetch a small blob."""
        if size > BLOB_LIMIT:
            return False
        with _plain_errors():
            data = self._open().get(_blob(digest))
        if data is None:
            return False
        receive(digest, size, [_bytes(data)], into)
        return True

    def has_many(self, wanted: Iterable[Digest]) -> frozenset[Digest]:
        """Ask for blobs in one round trip."""
        blobs = list(wanted)
        if not blobs:
            return frozenset()
        with _plain_errors():
            pipeline = self._open().pipeline(transaction=False)
            for digest in blobs:
                pipeline.exists(_blob(digest))
            there = _list(pipeline.execute(), len(blobs))
        return frozenset(digest for digest, count in zip(blobs, there, strict=True) if count == 1)

    def send(self, digest: Digest, source: BlobStore) -> None:
        """Store a small blob; ValueError for a big one, KeyError where the store has it not."""
        if source.size(digest) > BLOB_LIMIT:
            message = f"{digest} is too big for Redis"
            raise ValueError(message)
        data = source.read(digest)
        with _plain_errors():
            self._open().set(_blob(digest), data, ex=self._ttl or None)

    def _open(self) -> "Redis":
        if self._client is None:
            import redis  # a no-op build opens no connection
            from redis.backoff import NoBackoff
            from redis.retry import Retry

            options: dict[str, Any] = {"password": self._password} if self._password else {}
            self._client = redis.Redis.from_url(
                self._url,
                socket_connect_timeout=_CONNECT_SECONDS,
                socket_timeout=_READ_SECONDS,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                **options,
            )
        return self._client


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what redis-py raises into OSError; of a hostile server's answers it raises anything."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise OSError(str(error)) from error
    except (
        TypeError,
        AttributeError,
        KeyError,
        IndexError,
        RecursionError,
        OverflowError,
    ) as error:
        message = f"its answer makes no sense: {error}"
        raise ValueError(message) from error


def _list(value: object, length: int) -> list[object]:
    if not isinstance(value, list) or len(value) != length:
        message = "its answer makes no sense"
        raise ValueError(message)
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        message = "its answer makes no sense"
        raise ValueError(message)  # noqa: TRY004 -- bad data, not a bad call
    return value


def _blob(digest: Digest) -> str:
    return f"{_PREFIX}blob:{digests.hex_of(digest)}"
