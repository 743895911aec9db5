"""Blobs against a registry whose answers go wrong."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.events import Message, Transfer
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor
from mkbuild.registry import blobs
from mkbuild.registry.blobs import BlobSource, Moved
from mkbuild.registry.client import Client
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.credentials import Credentials
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.faults import FakeRegistry

DATA = bytes(range(256)) * 4000
BLOB = Descriptor(mediatype.OCI_LAYER, digests.of(DATA), len(DATA))


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


class Made:
    """A client, what it reported, and how long it paused."""

    def __init__(self, address: str, **given: object) -> None:
        self.reports: list[Transfer | Message] = []
        self.pauses: list[float] = []
        self.client = Client(
            address,
            RegistrySettings(**given),  # type: ignore[arg-type]
            report=self.reports.append,
            pause=self.pauses.append,
        )

    def messages(self) -> list[str]:
        return [report.text for report in self.reports if isinstance(report, Message)]

    def transfers(self) -> list[Transfer]:
        return [report for report in self.reports if isinstance(report, Transfer)]


def pulled(made: Made) -> bytes:
    store = MemoryBlobStore()
    blobs.download(made.client, "r", BLOB, store)
    return store.read(BLOB.digest)


def uploaded(server: FakeRegistry, made: Made, data: bytes = DATA) -> Moved:
    store = MemoryBlobStore()
    digest = store.put(data)
    descriptor = Descriptor(mediatype.OCI_LAYER, digest, len(data))
    how = blobs.push(made.client, "r", descriptor, BlobSource(store))
    assert server.blobs[digest] == data
    return how


# download


def test_progress(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    made = Made(server.address)
    assert pulled(made) == DATA
    last = made.transfers()[-1]
    assert last == Transfer("pull", BLOB.digest, len(DATA), len(DATA), finished=True)
    assert sorted(t.done for t in made.transfers()) == [t.done for t in made.transfers()]


def test_a_broken_transfer_is_resumed(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", faults.short(100_000), faults.short(1), faults.reset)
    made = Made(server.address)
    assert pulled(made) == DATA
    ranges = [seen.headers.get("Range") for seen in server.seen("GET", "/blobs/")]
    assert ranges == [None, "bytes=100000-", "bytes=100001-", "bytes=100001-"]
    assert len(made.pauses) == 3
    assert "attempt 2 of 5" in made.messages()[0]


def test_a_server_without_ranges_starts_over(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.ranges = False
    server.fail("GET", "/blobs/", faults.short(300_000))
    assert pulled(Made(server.address)) == DATA


def test_a_wrong_range_is_refused(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    wrong = faults.status(206, b"x" * 10, Content_Range="bytes 0-9/10")
    server.fail("GET", "/blobs/", faults.short(5), wrong)
    with pytest.raises(RegistryError, match="asked for bytes from 5 on"):
        pulled(Made(server.address))


def test_pauses_grow_and_end(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", *[faults.status(503)] * 9)
    made = Made(server.address)
    with pytest.raises(RegistryError, match=r"HTTP 503 .*tried 5 times"):
        pulled(made)
    for pause, base in zip(made.pauses, (0.5, 1, 2, 4), strict=True):
        assert base / 2 <= pause <= base


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_statuses_worth_another_try(server: FakeRegistry, code: int) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", faults.status(code))
    assert pulled(Made(server.address)) == DATA


@pytest.mark.parametrize("code", [400, 403, 404, 405, 410, 501])
def test_everything_else_fails_at_once(server: FakeRegistry, code: int) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", faults.denied(code, "DENIED", "you shall not pass"))
    made = Made(server.address)
    with pytest.raises(RegistryError, match=rf"HTTP {code} .*DENIED you shall not pass"):
        pulled(made)
    assert made.pauses == []


def test_retry_after_is_honoured(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", faults.status(429, Retry_After="17"))
    made = Made(server.address)
    assert pulled(made) == DATA
    assert 17 <= made.pauses[0] <= 17 * 1.1


def test_retry_after_is_bounded(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.fail("GET", "/blobs/", faults.status(429, Retry_After="86400"))
    with pytest.raises(RegistryError, match="asked to wait 86400 s"):
        pulled(Made(server.address))


def test_other_bytes_are_refused(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.blobs[BLOB.digest] = DATA[:-1] + b"?"
    with pytest.raises(RegistryError, match="wrong content"):
        pulled(Made(server.address))


def test_a_longer_body_is_refused_early(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.blobs[BLOB.digest] = DATA + b"more"
    with pytest.raises(RegistryError, match="longer than the 1024000 bytes"):
        pulled(Made(server.address))


def test_a_shorter_body_fails_in_the_end(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.blobs[BLOB.digest] = DATA[:10]
    with pytest.raises(RegistryError):
        pulled(Made(server.address))


def test_an_empty_blob(server: FakeRegistry) -> None:
    server.add_blob("r", b"")
    store = MemoryBlobStore()
    blobs.download(Made(server.address).client, "r", Descriptor("x", digests.of(b""), 0), store)
    assert store.has(digests.of(b""))


def test_a_redirect_to_another_host_sees_no_credentials(server: FakeRegistry) -> None:
    server.tokens = faults.Tokens()
    with FakeRegistry() as storage:
        storage.add_blob("r", DATA)
        place = f"http://{storage.other}/v2/r/blobs/{BLOB.digest}?X-Signature=s3cr3t"
        target = faults.status(307, Location=place)
        server.fail("GET", "/blobs/", faults.Handler.answer, target)
        assert pulled(Made(server.address)) == DATA
        (seen,) = storage.requests
        assert "Authorization" not in seen.headers
    assert "Authorization" in server.seen("GET", "/blobs/")[-1].headers


def test_redirects_end(server: FakeRegistry) -> None:
    loop = faults.status(302, Location=f"/v2/r/blobs/{BLOB.digest}")
    server.fail("GET", "/blobs/", *[loop] * 9)
    with pytest.raises(RegistryError, match="more than 5 redirects"):
        pulled(Made(server.address))


def test_secrets_of_signed_urls_are_not_shown(server: FakeRegistry) -> None:
    port = faults.FakeRegistry()
    with port:
        address = port.other
    place = f"http://{address}/x?X-Signature=s3cr3t"
    server.fail("GET", "/blobs/", faults.status(307, Location=place))
    with pytest.raises(RegistryError) as caught:
        pulled(Made(server.address))
    assert "s3cr3t" not in str(caught.value)


# upload


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("chunk", [0, 300_000])
def test_upload_follows_the_latest_location(
    server: FakeRegistry, *, relative: bool, chunk: int
) -> None:
    server.relative = relative
    made = Made(server.address, push_chunk=chunk)
    assert uploaded(server, made) is Moved.UPLOADED
    assert server.count("PATCH", ".") == (4 if chunk else 0)
    assert server.count("PUT", ".") == 1
    assert made.transfers()[-1].finished


def test_the_registry_may_ask_for_chunks(server: FakeRegistry) -> None:
    server.min_chunk = 500_000
    assert uploaded(server, Made(server.address)) is Moved.UPLOADED
    spans = [seen.headers["Content-Range"] for seen in server.seen("PATCH", ".")]
    assert spans == ["0-499999", "500000-999999", "1000000-1023999"]


def test_connections_are_kept(server: FakeRegistry) -> None:
    server.tokens = faults.Tokens(users={"u": "p"})
    credentials = Credentials("u", "p")
    client = Client(server.address, RegistrySettings(push_chunk=100_000), lambda: credentials)
    store = MemoryBlobStore()
    store.put(DATA)
    blobs.push(client, "r", BLOB, BlobSource(store))
    blobs.download(client, "r", BLOB, MemoryBlobStore())
    assert len(server.requests) > 15
    assert server.connections == 1


def test_an_empty_blob_is_uploaded(server: FakeRegistry) -> None:
    assert uploaded(server, Made(server.address), b"") is Moved.UPLOADED


def test_what_is_there_is_not_uploaded(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    assert uploaded(server, Made(server.address)) is Moved.EXISTED
    assert server.count("POST", ".") == 0


def test_another_length_does_not_count(server: FakeRegistry) -> None:
    server.add_blob("r", DATA)
    server.fail("HEAD", "/blobs/", faults.status(200, b"wrong"))
    assert uploaded(server, Made(server.address)) is Moved.UPLOADED


def test_mount(server: FakeRegistry) -> None:
    server.add_blob("base", DATA)
    how = blobs.push(
        Made(server.address).client, "r", BLOB, BlobSource(MemoryBlobStore(), ["none", "base"])
    )
    assert how is Moved.MOUNTED
    assert ("r", BLOB.digest) in server.owned


def test_a_refused_mount_is_an_upload(server: FakeRegistry) -> None:
    store = MemoryBlobStore()
    store.put(DATA)
    server.fail("POST", "mount=", faults.denied(403, "DENIED", "not yours"))
    source = BlobSource(store, ["secret", "none"])
    assert blobs.push(Made(server.address).client, "r", BLOB, source) is Moved.UPLOADED
    # The second source's answer was an upload that had begun: it is used.
    assert server.count("POST", ".") == 2


def test_a_cut_upload_goes_on_where_it_was(server: FakeRegistry) -> None:
    server.fail("PUT", "/uploads/", faults.cut_upload(400_000))
    made = Made(server.address)
    assert uploaded(server, made) is Moved.UPLOADED
    (patch,) = server.seen("PATCH", ".")
    assert patch.headers["Content-Range"] == "400000-1023999"
    assert len(made.pauses) == 1


def test_a_cut_chunk_goes_on_where_it_was(server: FakeRegistry) -> None:
    server.fail("PATCH", "/uploads/", faults.cut_upload(100_000), faults.reset)
    assert uploaded(server, Made(server.address, push_chunk=300_000)) is Moved.UPLOADED
    assert server.seen("PATCH", ".")[-1].headers["Content-Range"].endswith("-1023999")


def test_416_asks_for_the_status_and_goes_on(server: FakeRegistry) -> None:
    def forget_some(handler: faults.Handler) -> None:
        handler.body()
        name = handler.path.partition("?")[0].rpartition("/")[2]
        handler.registry.uploads[name][:] = DATA[:1000]
        handler.error(416, "RANGE_INVALID")

    server.fail("PATCH", "/uploads/", faults.Handler.answer, forget_some)
    made = Made(server.address, push_chunk=300_000)
    assert uploaded(server, made) is Moved.UPLOADED
    assert server.count("GET", "/uploads/") == 1
    assert made.pauses == [0]


def test_a_forgotten_upload_begins_anew(server: FakeRegistry) -> None:
    def forget(handler: faults.Handler) -> None:
        handler.registry.uploads.clear()
        handler.answer()

    server.fail("PUT", "/uploads/", forget)
    assert uploaded(server, Made(server.address)) is Moved.UPLOADED
    assert server.count("POST", ".") == 2


def test_only_the_answer_was_lost(server: FakeRegistry) -> None:
    server.fail("PUT", "/uploads/", faults.lose_answer)
    assert uploaded(server, Made(server.address)) is Moved.UPLOADED
    assert server.count("PUT", ".") == 1


def test_a_location_elsewhere_sees_no_credentials(server: FakeRegistry) -> None:
    server.tokens = faults.Tokens(users={"u": "p"})
    server.tokens.anonymous = True
    with FakeRegistry() as storage:
        storage.uploads["u0"] = bytearray()
        place = f"http://{storage.other}/v2/r/blobs/uploads/u0?state=0"
        server.fail("POST", "/uploads/", faults.status(202, Location=place))
        store = MemoryBlobStore()
        store.put(DATA)
        assert (
            blobs.push(Made(server.address).client, "r", BLOB, BlobSource(store)) is Moved.UPLOADED
        )
        assert all("Authorization" not in seen.headers for seen in storage.requests)
        assert storage.blobs[BLOB.digest] == DATA


def test_an_upload_without_location(server: FakeRegistry) -> None:
    server.fail("POST", "/uploads/", faults.status(202))
    with pytest.raises(RegistryError, match="but not where"):
        uploaded(server, Made(server.address))


def test_our_own_damaged_blob_is_set_aside(server: FakeRegistry) -> None:
    class Damaged(MemoryBlobStore):
        def put_wrong(self, digest: Digest, data: bytes) -> None:
            self._blobs[digest] = data

    store = Damaged()
    store.put_wrong(BLOB.digest, b"?" * len(DATA))
    with pytest.raises(ArchiveError, match="set aside"):
        blobs.push(Made(server.address).client, "r", BLOB, BlobSource(store))
    assert not store.has(BLOB.digest)


def test_the_rate_is_kept(server: FakeRegistry) -> None:
    made = Made(server.address, push_rate=1e6)
    uploaded(server, made)
    assert made.pauses
    assert max(made.pauses) <= len(DATA) / 1e6


def test_a_token_that_ends_in_the_middle_of_an_upload(server: FakeRegistry) -> None:
    server.tokens = faults.Tokens(users={"u": "p"})

    def revoke(handler: faults.Handler) -> None:
        tokens = handler.registry.tokens
        assert tokens is not None
        tokens.revoked |= set(tokens.granted)
        handler.answer()

    server.fail("PATCH", "/uploads/", faults.Handler.answer, revoke)
    client = Client(
        server.address,
        RegistrySettings(push_chunk=300_000),
        lambda: Credentials("u", "p"),
        pause=lambda _: None,
    )
    store = MemoryBlobStore()
    store.put(DATA)
    assert blobs.push(client, "r", BLOB, BlobSource(store)) is Moved.UPLOADED
    assert server.blobs[BLOB.digest] == DATA


FAULTS = st.one_of(
    st.integers(0, 5000).map(faults.cut_upload),
    st.sampled_from([faults.reset, faults.lose_answer, faults.status(503), faults.status(429)]),
)


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=2000).map(lambda data: data * 5),
    chunk=st.sampled_from([0, 1000, 3001]),
    puts=st.lists(FAULTS, max_size=2),
    patches=st.lists(FAULTS, max_size=2),
    others=st.lists(st.sampled_from([faults.reset, faults.lose_answer]), max_size=2),
)
def test_whatever_fails_the_upload_is_right(
    data: bytes,
    chunk: int,
    puts: list[faults.Fault],
    patches: list[faults.Fault],
    others: list[faults.Fault],
) -> None:
    with FakeRegistry() as server:
        server.fail("PUT", "/uploads/", *puts)
        server.fail("PATCH", "/uploads/", *patches)
        server.fail("POST", "/uploads/", *others)
        server.fail("GET", "/uploads/", *others)
        uploaded(server, Made(server.address, push_chunk=chunk, retries=20), data)


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(
        st.one_of(st.integers(0, 300).map(faults.short), st.just(faults.reset)), max_size=5
    ),
    ranges=st.booleans(),
)
def test_whatever_fails_the_download_is_right(cuts: list[faults.Fault], *, ranges: bool) -> None:
    data = bytes(range(256)) * 4
    blob = Descriptor(mediatype.OCI_LAYER, digests.of(data), len(data))
    with FakeRegistry() as server:
        server.ranges = ranges
        server.add_blob("r", data)
        server.fail("GET", "/blobs/", *cuts)
        store = MemoryBlobStore()
        blobs.download(Made(server.address, retries=20).client, "r", blob, store)
        assert store.read(blob.digest) == data
