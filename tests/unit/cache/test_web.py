"""A cache's server that sends, but hardly."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from mkbuild.cache.web import WebClient
from tests.support import faults
from tests.support.faults import FakeRegistry

DATA = bytes(range(256)) * 400


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


def client(server: FakeRegistry) -> WebClient:
    return WebClient(f"http://{server.address}/v2/r/blobs", {})


def test_what_trickles_is_given_up(server: FakeRegistry) -> None:
    """Side by side, since each takes the seconds that a cache is given."""
    digest = server.add_blob("r", DATA)
    web = client(server)

    def whole() -> object:
        return b"".join(web.download(digest) or ())

    def failure(ask: Callable[[], object]) -> str:
        with pytest.raises(OSError, match=r"sent only \d+ bytes|too slow: \d+ bytes in") as caught:
            ask()
        return str(caught.value)

    headers, body, slow = (
        faults.trickle(1, 0.1),
        faults.trickle(1, 0.1, after=400),
        faults.trickle(1000, 0.1),  # what one connection of a registry may do
    )
    server.fail("HEAD", "/blobs/", headers)
    server.fail("GET", "/blobs/", body, body, slow, slow)
    with ThreadPoolExecutor() as threads:
        asked = (lambda: web.head(digest), *[lambda: web.get(digest)] * 2, whole, whole)
        said = list(threads.map(failure, asked))
    assert "sent only" in said[0]
    assert [("too slow" in text) for text in said].count(True) >= 2
    web.close()


def test_an_entry_and_a_blob(server: FakeRegistry) -> None:
    digest = server.add_blob("r", DATA)
    web = client(server)
    assert web.get(digest) == DATA
    assert b"".join(web.download(digest) or ()) == DATA
    assert web.get("sha256:none") is None
    web.close()
    assert server.connections == 1
