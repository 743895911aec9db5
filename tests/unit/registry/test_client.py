import json
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.errors import RegistryError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.registry import blobs
from mkbuild.registry.blobs import BlobSource
from mkbuild.registry.client import Client
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.documents import parse_document
from mkbuild.registry.listing import add_referrer, referrers, tags
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.faults import FakeRegistry

LAYER = Descriptor(mediatype.OCI_LAYER_GZIP, digests.of(b"layer"), 5)
IMAGE = mutate.manifest(b"{}", [LAYER])
DOCKER = mutate.manifest(b"{}", [LAYER], docker=True)
INDEX = Index.build((IMAGE.descriptor(),))


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        for tag, document in (("oci", IMAGE), ("docker", DOCKER), ("index", INDEX)):
            registry.add_manifest("r", tag, document.raw, document.media_type)
        yield registry


@pytest.fixture
def client(server: FakeRegistry) -> Iterator[Client]:
    made = Client(server.address, RegistrySettings(), pause=lambda _: None)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("tag", "document"), [("oci", IMAGE), ("docker", DOCKER), ("index", INDEX)]
)
@pytest.mark.parametrize("stated", [True, False])
def test_head_and_get(
    server: FakeRegistry, client: Client, tag: str, document: Manifest | Index, *, stated: bool
) -> None:
    server.digest_header = stated
    assert client.head("r", tag) == document.descriptor()
    assert client.document("r", tag) == document
    assert client.document("r", document.digest) == document


def test_absent(client: Client) -> None:
    assert client.head("r", "none") is None
    with pytest.raises(RegistryError, match="HTTP 404 Not Found: MANIFEST_UNKNOWN"):
        client.document("r", "none")


def test_everything_is_accepted_in_one_question(server: FakeRegistry, client: Client) -> None:
    client.head("r", "oci")
    accepted = server.requests[0].headers["Accept"].split(", ")
    assert set(accepted) == mediatype.MANIFESTS | mediatype.INDEXES


def test_other_bytes_than_pinned(server: FakeRegistry, client: Client) -> None:
    server.manifests["r", IMAGE.digest] = (mediatype.OCI_MANIFEST, DOCKER.raw)
    with pytest.raises(RegistryError, match="the registry sent"):
        client.document("r", IMAGE.digest)


def test_other_bytes_than_the_header_says(server: FakeRegistry, client: Client) -> None:
    wrong = faults.status(
        200,
        IMAGE.raw,
        Content_Type=mediatype.OCI_MANIFEST,
        Docker_Content_Digest=digests.of(b"other"),
    )
    server.fail("GET", "/manifests/", wrong)
    with pytest.raises(RegistryError, match="the registry sent"):
        client.document("r", "oci")


def test_a_digest_that_is_none(server: FakeRegistry, client: Client) -> None:
    bad = faults.status(200, Content_Type="x", Docker_Content_Digest="sha256:../../x")
    server.fail("HEAD", "/manifests/", bad)
    with pytest.raises(RegistryError, match="not a sha256 digest"):
        client.head("r", "oci")


def test_sixty_megabytes_of_manifest(server: FakeRegistry, client: Client) -> None:
    server.add_manifest("r", "big", b"[" * (60 << 20), mediatype.OCI_MANIFEST)
    with pytest.raises(RegistryError, match="larger than 4194304 bytes"):
        client.document("r", "big")


def bad(document: object, kind: str = mediatype.OCI_MANIFEST) -> tuple[bytes, str]:
    return json.dumps(document).encode(), kind


ENTRY = LAYER.to_json()
EVIL = {"mediaType": mediatype.OCI_CONFIG, "digest": "sha256:../../x", "size": 1}


@pytest.mark.parametrize(
    ("data", "kind", "why"),
    [
        (*bad({"config": ENTRY, "layers": [], "manifests": []}), "both 'manifests' and 'layers'"),
        (
            *bad({"manifests": [], "layers": []}, mediatype.OCI_INDEX),
            "both 'manifests' and 'layers'",
        ),
        (*bad({"mediaType": mediatype.OCI_INDEX, "manifests": []}), "itself says"),
        (IMAGE.raw, mediatype.OCI_INDEX, "itself says"),
        (IMAGE.raw, "application/json", "itself says"),
        (*bad({"config": EVIL, "layers": []}), "not a sha256 digest"),
        (*bad({"config": ENTRY, "layers": [EVIL]}), "not a sha256 digest"),
        (*bad({"config": ENTRY, "layers": [{}]}), "without a valid digest"),
        (*bad({"layers": []}), "not an object"),
        (*bad([]), "not a JSON object"),
        (b"{", mediatype.OCI_MANIFEST, "not JSON"),
        (b"[" * 100_000, mediatype.OCI_MANIFEST, "not JSON"),
        (b"{}", "text/html", "no type of manifest"),
        (b"{}", "", "no type at all"),
        (*bad({"schemaVersion": 1}, "application/json"), "schema 1"),
        (b"{}", mediatype.DOCKER_SCHEMA1, "schema 1"),
        (b"{}", mediatype.DOCKER_SCHEMA1_SIGNED, "schema 1"),
    ],
)
def test_documents_that_are_refused(data: bytes, kind: str, why: str) -> None:
    with pytest.raises(RegistryError, match=why):
        parse_document(data, kind, "r.io/x:y")


def test_schema_1_is_refused_by_head(server: FakeRegistry, client: Client) -> None:
    server.add_manifest("r", "old", b"{}", mediatype.DOCKER_SCHEMA1_SIGNED)
    with pytest.raises(RegistryError, match="schema 1") as caught:
        client.head("r", "old")
    assert "skopeo" in (caught.value.hint or "")


def test_a_parameter_of_the_content_type(server: FakeRegistry, client: Client) -> None:
    server.add_manifest("r", "p", IMAGE.raw, f"{mediatype.OCI_MANIFEST}; charset=utf-8")
    assert client.document("r", "p") == IMAGE


def test_put(server: FakeRegistry, client: Client) -> None:
    server.fail("PUT", "/manifests/", faults.status(502))
    assert client.put_document("new", "t", IMAGE) == IMAGE.digest
    assert server.manifests["new", "t"] == (mediatype.OCI_MANIFEST, IMAGE.raw)


def test_put_that_was_stored_otherwise(server: FakeRegistry, client: Client) -> None:
    server.fail(
        "PUT", "/manifests/", faults.status(201, Docker_Content_Digest=digests.of(b"other"))
    )
    with pytest.raises(RegistryError, match="stored as"):
        client.put_document("r", "t", IMAGE)


def test_the_registrys_words_and_a_hint(server: FakeRegistry, client: Client) -> None:
    server.fail("PUT", "/manifests/", faults.denied(403, "DENIED", "quota exceeded"))
    with pytest.raises(RegistryError) as caught:
        client.put_document("r", "t", IMAGE)
    assert caught.value.message == (
        f"{server.address}: storing r:t: HTTP 403 Forbidden: DENIED quota exceeded"
    )
    assert caught.value.hint == f"log in: docker login {server.address}"


def test_tags(server: FakeRegistry, client: Client) -> None:
    assert tags(client, "r") == ["docker", "index", "oci"]
    assert server.count("GET", "/tags/list") == 2


def test_tags_in_circles(server: FakeRegistry, client: Client) -> None:
    server.fail("GET", "/tags/", faults.status(200, b"garbage"))
    with pytest.raises(RegistryError, match="malformed"):
        tags(client, "r")


def test_a_next_page_elsewhere(server: FakeRegistry, client: Client) -> None:
    server.fail("GET", "/tags/", faults.status(200, b"{}", Link='<file:///etc/passwd>; rel="next"'))
    with pytest.raises(RegistryError, match="no HTTP address"):
        tags(client, "r")


def test_referrers(server: FakeRegistry, client: Client) -> None:
    document = json.loads(IMAGE.raw) | {"subject": DOCKER.descriptor().to_json()}
    referrer = Manifest.parse(json.dumps(document).encode())
    assert referrers(client, "r", DOCKER.digest).manifests == ()
    add_referrer(client, "r", referrer)
    assert [m.digest for m in referrers(client, "r", DOCKER.digest).manifests] == [referrer.digest]
    assert ("r", DOCKER.digest.replace(":", "-")) in server.manifests


def test_referrers_by_the_api(server: FakeRegistry, client: Client) -> None:
    server.referrers = True
    document = json.loads(IMAGE.raw) | {"subject": DOCKER.descriptor().to_json()}
    referrer = Manifest.parse(json.dumps(document).encode())
    server.fail("PUT", "/manifests/", faults.status(201, OCI_Subject=DOCKER.digest))
    add_referrer(client, "r", referrer)
    assert referrers(client, "r", DOCKER.digest).manifests == ()
    assert ("r", DOCKER.digest.replace(":", "-")) not in server.manifests
    with pytest.raises(ValueError, match="needs a subject"):
        add_referrer(client, "r", IMAGE)


def test_a_rate_limit_has_a_hint(server: FakeRegistry, client: Client) -> None:
    limit = faults.denied(429, "TOOMANYREQUESTS", "pull rate limit")
    server.fail("GET", "/manifests/", *[limit] * 5)
    with pytest.raises(RegistryError, match="TOOMANYREQUESTS pull rate limit") as caught:
        client.document("r", "oci")
    assert "mirror" in (caught.value.hint or "")


@pytest.mark.parametrize("code", [400, 405])
def test_a_registry_without_head(server: FakeRegistry, client: Client, code: int) -> None:
    server.fail("HEAD", "/manifests/", faults.status(code))
    assert client.head("r", "oci") == IMAGE.descriptor()


NASTY = st.one_of(
    st.sampled_from(
        [
            "http://[::1/x", "http://host:port/", "//", "\u00b2", "9" * 5000, "-1", "0-\u00b2",
            "Bearer realm=http://[::1", 'Bearer realm="', "sha256:x", '<http://[>; rel="next"',
        ]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_categories=["Cc"])),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    code=st.sampled_from([200, 201, 202, 204, 206, 302, 401, 404, 416, 429, 500]),
    headers=st.dictionaries(
        st.sampled_from(
            [
                "Location", "Range", "Content_Range", "Retry_After", "WWW_Authenticate", "Link",
                "OCI_Chunk_Min_Length", "Docker_Content_Digest", "Content_Type",
            ]
        ),
        NASTY,
        max_size=4,
    ),
    body=st.binary(max_size=20),
)  # fmt: skip
def test_hostile_answers_are_errors_of_the_registry(
    code: int, headers: dict[str, str], body: bytes
) -> None:
    store = MemoryBlobStore()
    blob = Descriptor(mediatype.OCI_LAYER, store.put(b"data"), 4)
    with FakeRegistry() as server:
        client = Client(server.address, RegistrySettings(retries=1), pause=lambda _: None)
        questions: list[Callable[[], object]] = [
            lambda: client.head("r", "t"),
            lambda: client.document("r", "t"),
            lambda: tags(client, "r"),
            lambda: blobs.download(client, "r", blob, MemoryBlobStore()),
            lambda: blobs.push(client, "r", blob, BlobSource(store, ["other"])),
        ]
        hostile = faults.status(code, body, **headers)
        for method in ("HEAD", "GET", "POST", "PUT", "PATCH"):
            server.fail(method, "", *[hostile] * 6)
        for question in questions:
            with suppress(RegistryError):
                question()
        client.close()
