from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import RegistryError
from mkbuild.oci.mutate import manifest
from mkbuild.registry.auth import Authorizer, Challenge, parse_challenges
from mkbuild.registry.client import Client, pull_scope
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.credentials import Credentials
from mkbuild.registry.transport import Transport
from tests.support import faults
from tests.support.faults import FakeRegistry, Tokens

KIND = "application/vnd.oci.image.manifest.v1+json"
ALICE = Credentials("alice", "secret")


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        registry.tokens = Tokens(users={"alice": "secret"}, identity={"idt"})
        registry.add_manifest("r", "t", b"{}", KIND)
        yield registry


def client_of(server: FakeRegistry, found: Credentials | None = None, **settings: object) -> Client:
    return Client(
        server.address,
        RegistrySettings(**settings),  # type: ignore[arg-type]
        lambda: found,
        pause=lambda _: None,
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Basic", [Challenge("basic")]),
        ('Basic realm="a b, c"', [Challenge("basic", {"realm": "a b, c"})]),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
            [
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"},
                )
            ],
        ),
        (
            'Basic realm="r", Bearer realm=plain , x="q\\"q"',
            [
                Challenge("basic", {"realm": "r"}),
                Challenge("bearer", {"realm": "plain", "x": 'q"q'}),
            ],
        ),
        ("Negotiate, Basic realm=x", [Challenge("negotiate"), Challenge("basic", {"realm": "x"})]),
        ("", []),
    ],
)
def test_challenges(header: str, expected: list[Challenge]) -> None:
    assert parse_challenges(header) == expected


@given(st.text(max_size=60))
def test_any_header_is_read_or_ignored(header: str) -> None:
    parse_challenges(header)


def test_anonymous_token(server: FakeRegistry) -> None:
    client = client_of(server)
    assert client.head("r", "t") is not None
    assert client.head("r", "t") is not None
    # One refusal, one token, and from then on the token right away.
    assert server.count("GET", "/token") == 1
    assert server.count("HEAD", "/manifests/") == 3
    (asked,) = server.seen("GET", "/token")
    assert "service=fake" in asked.path
    assert "Authorization" not in asked.headers


def test_a_token_a_scope(server: FakeRegistry) -> None:
    client = client_of(server, ALICE)
    server.add_manifest("q", "t", b"{}", KIND)
    assert client.head("r", "t")
    assert client.head("q", "t")
    assert server.count("GET", "/token") == 2
    assert server.count("HEAD", "/manifests/") == 3


def test_password_goes_to_the_token_server_only(server: FakeRegistry) -> None:
    assert client_of(server, ALICE).head("r", "t")
    (asked,) = server.seen("GET", "/token")
    assert asked.headers["Authorization"].startswith("Basic ")
    assert "account=alice" in asked.path
    for seen in server.seen("HEAD", "/manifests/"):
        assert not seen.headers.get("Authorization", "").startswith("Basic")


def test_identity_token_is_posted(server: FakeRegistry) -> None:
    client = client_of(server, Credentials(identity_token="idt"))  # noqa: S106
    assert client.head("r", "t")
    assert server.count("POST", "/token") == 1


def test_registry_token_is_used_as_it_is(server: FakeRegistry) -> None:
    assert server.tokens
    server.tokens.granted["given"] = ["repository:r:pull"]
    client = client_of(server, Credentials(registry_token="given"))  # noqa: S106
    assert client.head("r", "t")
    assert server.count("GET", "/token") == 0


def test_an_expired_token_is_renewed_before_use(server: FakeRegistry) -> None:
    now = [0.0]
    transport = Transport(server.address, RegistrySettings())
    authorizer = Authorizer(transport, lambda: None, lambda: now[0])
    scopes = [pull_scope("r")]
    answer = transport.send("HEAD", f"{transport.base}/v2/r/manifests/t", {})
    assert authorizer.challenged(answer, scopes, None)
    answer.close()
    first = authorizer.header(scopes)
    now[0] = 289.0
    assert authorizer.header(scopes) == first
    now[0] = 291.0
    assert authorizer.header(scopes) != first
    transport.close()


def test_a_revoked_token_is_replaced(server: FakeRegistry) -> None:
    client = client_of(server)
    assert client.head("r", "t")
    assert server.tokens
    server.tokens.revoked |= set(server.tokens.granted)
    assert client.head("r", "t")
    assert server.count("GET", "/token") == 2


def test_a_wrong_password(server: FakeRegistry) -> None:
    with pytest.raises(RegistryError, match="incorrect username or password") as caught:
        client_of(server, Credentials("alice", "wrong")).head("r", "t")
    assert caught.value.hint == f"log in: docker login {server.address}"
    assert "wrong" not in str(caught.value).replace("incorrect", "")


def test_too_weak_a_token_ends(server: FakeRegistry) -> None:
    client = client_of(server)  # anonymous: pull only
    with pytest.raises(RegistryError, match="HTTP 401"):
        client.put_document("r", "t", manifest(b"{}", []))
    assert server.count("PUT", "/manifests/") == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage",
        b"[]",
        b"{}",
        b'{"token": 5}',
        b'{"token": "a\\nb"}',
        b'{"token": ""}',
        b'{"token": "x", "expires_in": 1%s}' % (b"0" * 400),
    ],
)
def test_garbage_of_a_token_server(server: FakeRegistry, answer: bytes) -> None:
    assert server.tokens
    server.tokens.answer = answer
    with pytest.raises(RegistryError, match="answered what is no token"):
        client_of(server).head("r", "t")


def test_a_busy_token_server_is_asked_again(server: FakeRegistry) -> None:
    server.fail("GET", "/token", faults.status(503), faults.reset)
    assert client_of(server).head("r", "t")


def test_a_realm_on_another_host_sees_no_credentials(server: FakeRegistry) -> None:
    assert server.tokens
    with FakeRegistry() as elsewhere:
        elsewhere.tokens = server.tokens
        server.tokens.realm = f"http://{elsewhere.other}/token"
        assert client_of(server, ALICE).head("r", "t")  # anonymous pull is enough
        (asked,) = elsewhere.requests
        assert "Authorization" not in asked.headers
        assert "alice" not in asked.path
        server.tokens.anonymous = False
        with pytest.raises(RegistryError, match="gives no token") as caught:
            client_of(server, ALICE).head("r", "t")
        assert "token_hosts: [127.0.0.1]" in (caught.value.hint or "")
        assert client_of(server, ALICE, token_hosts=("127.0.0.1",)).head("r", "t")
        assert elsewhere.requests[-1].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("registry", "realm", "seen"),
    [
        ("docker.io", "https://auth.docker.io/token", True),
        ("registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("ghcr.io", "https://ghcr.io/token", True),
        ("r.example.co.uk", "https://auth.example.co.uk/t", True),
        ("example.co.uk", "https://evil.co.uk/t", False),
        ("ghcr.io", "https://evil.io/t", False),
        ("docker.io", "https://docker.io.evil.com/t", False),
        ("docker.io", "https://evildocker.io/t", False),
        ("203.0.113.5", "https://9.0.113.5/t", False),
    ],
)
def test_who_may_see_credentials(registry: str, realm: str, *, seen: bool) -> None:
    authorizer = Authorizer(Transport(registry, RegistrySettings()), lambda: None)
    assert authorizer._may_see(realm) is seen


def test_basic(server: FakeRegistry) -> None:
    basic = faults.status(401, WWW_Authenticate='Basic realm="r"')
    server.tokens = None
    server.fail("HEAD", "/manifests/", basic)
    client = client_of(server, ALICE)
    assert client.head("r", "t")
    assert client.head("r", "t")
    sent = [seen.headers.get("Authorization") for seen in server.seen("HEAD", "/manifests/")]
    assert sent == [None, "Basic YWxpY2U6c2VjcmV0", "Basic YWxpY2U6c2VjcmV0"]


def test_basic_without_credentials_or_with_wrong_ones(server: FakeRegistry) -> None:
    basic = faults.status(401, WWW_Authenticate='Basic realm="r"')
    for found, attempts in ((None, 1), (ALICE, 2)):
        server.requests.clear()
        server.fail("HEAD", "/manifests/", *[basic] * attempts)
        with pytest.raises(RegistryError, match="HTTP 401") as caught:
            client_of(server, found).head("r", "t")
        assert caught.value.hint == f"log in: docker login {server.address}"
        assert server.count("HEAD", ".") == attempts
