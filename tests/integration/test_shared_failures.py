"""Builds whose shared caches fail: they succeed, somewhat later, with one warning a cache."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mkbuild.events import Event, StepStarted
from tests.integration.test_shared_bytes import noise
from tests.support.computer import Built, Computer, write
from tests.support.hostile import answering, closing, hostile_server, silent
from tests.support.redis import redis_server
from tests.support.registry import RealRegistry, free_port

pytestmark = pytest.mark.root

DOCKERFILE = """\
FROM busybox AS build
RUN echo built > /built
FROM busybox
COPY --from=build /built /built
RUN cat /built > /again
COPY file /file
RUN cat /file > /last
"""
LATER = 10
"""Seconds that a build may end later than one without caches."""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    return write(tmp_path / "work", {"Dockerfile": DOCKERFILE, "file": noise(3000, 1)})


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def alone(tmp_path: Path, context: Path) -> Built:
    """Build without any shared cache."""
    return Computer(tmp_path / "alone").build(context, ".")


def shared(context: Path, *remotes: str) -> Path:
    """Make a workspace of the context that has these caches."""
    listed = ", ".join(remotes)
    text = f"version: 1\nimages: {{app: {{}}}}\ncache: {{remotes: [{listed}]}}\n"
    write(context, {"BUILD.yaml": text})
    write(context, {".dockerignore": "BUILD.yaml\n"})
    return context


@pytest.mark.redis
def test_redis_stopped_in_the_middle_of_a_build(tmp_path: Path, context: Path) -> None:
    with redis_server(tmp_path / "redis") as server:

        def stop(event: Event) -> None:
            if isinstance(event, StepStarted) and "/again" in event.instruction:
                server.stop()

        work = shared(context, f"{{type: redis, url: '{server.url}'}}")
        built = Computer(tmp_path / "one").build(work, "app", when=stop)
    assert set(built.steps.values()) == {"ran"}
    assert len(built.warnings) == 1
    assert "Redis" in built.warnings[0]
    assert built.digest == alone(tmp_path, context).digest


@pytest.mark.parametrize("garbage", [b"*1\r\n$3\r\nabc\r\n", b"\x00\xff" * 500, b"+OK\r\n"])
def test_a_hostile_redis(tmp_path: Path, context: Path, servers: ExitStack, garbage: bytes) -> None:
    port = servers.enter_context(hostile_server(answering(garbage)))
    work = shared(context, f"{{type: redis, url: 'redis://127.0.0.1:{port}/0'}}")
    built = Computer(tmp_path / "one").build(work, "app")
    assert len(built.warnings) == 1
    assert built.digest == alone(tmp_path, context).digest


def test_every_kind_of_cache_hangs(tmp_path: Path, context: Path, servers: ExitStack) -> None:
    ports = [servers.enter_context(hostile_server(silent)) for _ in range(3)]
    work = shared(
        context,
        f"{{type: http, url: 'http://127.0.0.1:{ports[0]}/'}}",
        f"{{type: redis, url: 'redis://127.0.0.1:{ports[1]}/0'}}",
        f"{{type: registry, ref: '127.0.0.1:{ports[2]}/cache'}}",
    )
    before = alone(tmp_path, context)
    built = Computer(tmp_path / "one").build(work, "app")
    assert len(built.warnings) == 3
    assert built.digest == before.digest
    # What this is about is time; a build takes one second, and a hanging cache must not add more.
    assert built.seconds <= before.seconds + LATER


def test_every_kind_of_cache_is_down(tmp_path: Path, context: Path, servers: ExitStack) -> None:
    closed = servers.enter_context(hostile_server(closing))
    work = shared(
        context,
        f"{{type: http, url: 'http://127.0.0.1:{free_port()}/'}}",
        f"{{type: redis, url: 'redis://127.0.0.1:{free_port()}/0'}}",
        f"{{type: registry, ref: '127.0.0.1:{closed}/cache'}}",
        f"{{type: directory, path: '{context}/Dockerfile/no'}}",
    )
    built = Computer(tmp_path / "one").build(work, "app")
    assert len(built.warnings) == 4
    assert built.digest == alone(tmp_path, context).digest


@pytest.mark.redis
@pytest.mark.registry
def test_the_registry_that_holds_the_layers_is_gone(tmp_path: Path, context: Path) -> None:
    with redis_server(tmp_path / "redis") as redis:
        with RealRegistry(tmp_path / "registry") as registry:
            text = (
                f"version: 1\nimages: {{app: {{tags: ['{registry.address}/app']}}}}\n"
                f"cache: {{remotes: [{{type: redis, url: '{redis.url}'}}]}}\n"
            )
            write(context, {"BUILD.yaml": text, ".dockerignore": "BUILD.yaml\n"})
            first = Computer(tmp_path / "one").build(context, "--push", "app")
            assert first.warnings == ()
        second = Computer(tmp_path / "two").build(context, "app")
    assert second.digest == first.digest
    assert len(second.warnings) == 1, "one registry, however many layers it does not give"
