"""Fixtures shared by the tests against real parts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nginx import NginxServer, nginx_server
from tests.support.redis import RedisServer, redis_server
from tests.support.registry import Certificates, RealRegistry, available, make_certificates
from tests.support.static import build_static


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry without password, plain HTTP; tests use repositories of their own names."""
    if not available():
        pytest.skip("docker-registry is not installed")
    with RealRegistry(tmp_path_factory.mktemp("registry")) as server:
        yield server


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Certificates of an authority that nobody knows."""
    return make_certificates(Path(tmp_path_factory.mktemp("certificates")))


@pytest.fixture(scope="session")
def static_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The static image, unpacked; tests run copies of it."""
    return build_static(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis without password; tests use scopes, or digests, of their own."""
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NginxServer]:
    """An nginx with DAV; tests use directories of their own."""
    with nginx_server(tmp_path_factory.mktemp("nginx")) as server:
        yield server
