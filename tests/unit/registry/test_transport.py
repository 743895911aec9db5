import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mkbuild.errors import RegistryError
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.retry import TransientError
from mkbuild.registry.transport import Transport
from tests.support import faults
from tests.support.faults import FakeRegistry
from tests.support.registry import free_port


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


@pytest.mark.parametrize(
    ("registry", "settings", "base"),
    [
        ("docker.io", {}, "https://registry-1.docker.io"),
        ("ghcr.io", {}, "https://ghcr.io"),
        ("localhost:5000", {}, "http://localhost:5000"),
        ("[::1]:5000", {}, "http://[::1]:5000"),
        ("localhost:5000", {"ca": "x"}, "https://localhost:5000"),
        ("10.0.0.1:5000", {}, "https://10.0.0.1:5000"),
    ],
)
def test_base(registry: str, settings: dict[str, str], base: str) -> None:
    assert Transport(registry, RegistrySettings(**settings)).base == base  # type: ignore[arg-type]


def test_insecure_falls_back_to_plain_http(server: FakeRegistry) -> None:
    transport = Transport(server.address, RegistrySettings(insecure=True))
    assert transport.base == f"http://{server.address}"
    transport.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://cdn.example.com/x",
        "ftp://cdn.example.com/x",
        "file:///etc/passwd",
        "https:///x",
        "https://[::1/x",
        "https://host:port/x",
        "https://user:password@cdn.example.com/x",
        "https://localhost/token",
        "https://127.0.0.1/token",
        "https://[::1]/token",
        "https://10.1.2.3/token",
        "https://192.168.0.1/token",
        "https://169.254.169.254/latest/meta-data",
        "https://[fd00::1]/x",
    ],
)
def test_where_a_public_registry_may_not_send_us(url: str) -> None:
    with pytest.raises(RegistryError):
        Transport("ghcr.io", RegistrySettings()).check(url)


def test_where_a_registry_may_send_us() -> None:
    public = Transport("ghcr.io", RegistrySettings())
    assert public.check("https://cdn.example.com/x") == "https://cdn.example.com/x"
    named = Transport("r.corp", RegistrySettings(token_hosts=("10.0.0.1",)))
    assert named.check("https://10.0.0.1/token")
    private = Transport("10.0.0.1:5000", RegistrySettings())
    assert private.check("https://10.0.0.2/x")
    assert Transport("localhost:5000", RegistrySettings()).check("http://127.0.0.1:1/x")


def test_an_origin_is_scheme_host_and_port() -> None:
    transport = Transport("ghcr.io", RegistrySettings())
    assert transport.is_own("https://ghcr.io:443/v2/")
    assert transport.is_own("https://GHCR.io/v2/")
    for other in ("http://ghcr.io/", "https://ghcr.io:8443/", "https://ghcr.io.evil.com/"):
        assert not transport.is_own(other)


def test_nobody_there() -> None:
    transport = Transport(f"localhost:{free_port()}", RegistrySettings())
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        transport.send("GET", transport.base, {})
    assert not isinstance(caught.value, TransientError)
    assert "mirror" in (caught.value.hint or "")


def test_no_such_host() -> None:
    transport = Transport("registry.invalid", RegistrySettings())
    with pytest.raises(RegistryError, match=r"registry\.invalid: Failed to resolve") as caught:
        transport.send("GET", transport.base, {})
    assert not isinstance(caught.value, TransientError)


def test_silence_and_resets_are_worth_another_try(server: FakeRegistry) -> None:
    transport = Transport(server.address, RegistrySettings(timeout=0.2))
    server.fail("GET", "/v2/", faults.reset)
    with pytest.raises(TransientError, match="broke off"):
        transport.send("GET", f"{transport.base}/v2/", {})
    released = threading.Event()

    def silent(_: faults.Handler) -> None:
        released.wait()

    server.fail("GET", "/v2/", silent)
    with pytest.raises(TransientError, match=r"no answer within 0.2 s"):
        transport.send("GET", f"{transport.base}/v2/", {})
    released.set()
    transport.close()


def test_cookies_are_not_kept(server: FakeRegistry) -> None:
    transport = Transport(server.address, RegistrySettings())
    server.fail("GET", "/v2/", faults.status(200, Set_Cookie="track=me; Path=/"))
    for _ in range(2):
        transport.send("GET", f"{transport.base}/v2/", {}).close()
    assert "Cookie" not in server.requests[-1].headers
    transport.close()


def test_netrc_is_not_read(server: FakeRegistry, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine localhost login u password p\n")
    script = (
        "from mkbuild.registry.transport import Transport\n"
        "from mkbuild.registry.config import RegistrySettings\n"
        # The environment counts for what is not on this machine: named so, it is asked there.
        "t = Transport('registry.invalid', RegistrySettings())\n"
        f"t.send('GET', 'http://{server.address}/v2/', {{}}).close()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"HOME": str(tmp_path)})
    (seen,) = server.requests
    assert "Authorization" not in seen.headers


def test_a_long_answer_is_cut(server: FakeRegistry) -> None:
    transport = Transport(server.address, RegistrySettings())
    server.fail("GET", "/v2/", faults.status(200, b"x" * 1000))
    with (
        transport.send("GET", f"{transport.base}/v2/", {}) as answer,
        pytest.raises(RegistryError, match="larger than 999 bytes"),
    ):
        answer.read(999)
    transport.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"errors":[{"code":"A","message":"b"},{"code":"C","detail":"d"}]}', "A b; C; d"),
        (b'{"errors":[{"code":"A","message":"\\u001b[31mred"}]}', "A [31mred"),
        (b"<html>\n<b>no</b>\x1b[31m", "<html> <b>no</b> [31m"),
        (b'{"errors": 5}', '{"errors": 5}'),
        (b"", ""),
        (b"\xff", "�"),
    ],
)
def test_the_registrys_own_words(server: FakeRegistry, body: bytes, words: str) -> None:
    transport = Transport(server.address, RegistrySettings())
    server.fail("GET", "/v2/", faults.status(400, body))
    with transport.send("GET", f"{transport.base}/v2/", {}) as answer:
        assert answer.problem() == words
    transport.close()


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    transport = Transport("r.io", RegistrySettings(ca=str(tmp_path / "none.pem")))
    with pytest.raises(RegistryError, match="cannot use the certificates") as caught:
        transport.send("GET", transport.base, {})
    assert caught.value.hint
