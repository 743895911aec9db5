import base64
import json
import os
import select
from pathlib import Path

import pytest

from mkbuild.errors import RegistryError
from mkbuild.registry.config import RegistrySettings
from mkbuild.registry.credentials import Credentials, Keychain

PLAIN = RegistrySettings()


def auth(pair: str) -> dict[str, str]:
    return {"auth": base64.b64encode(pair.encode()).decode()}


class Home:
    """A home directory with docker's files, and a directory of helpers on PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {"PATH": f"{root / 'bin'}:{os.environ['PATH']}"}
        (root / "bin").mkdir()

    def docker(self, document: object, name: str = ".docker/config.json") -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document if isinstance(document, str) else json.dumps(document))

    def helper(self, name: str, script: str) -> None:
        path = self.root / "bin" / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def find(
        self,
        registry: str,
        repository: str = "x",
        settings: RegistrySettings = PLAIN,
        timeout: float = 30,
    ) -> Credentials | None:
        keychain = Keychain(self.environment, self.root, helper_timeout=timeout)
        return keychain.find(registry, repository, settings)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_nothing_is_anonymous(home: Home) -> None:
    assert home.find("r.io") is None


@pytest.mark.parametrize("key", ["r.io", "https://r.io", "https://r.io/v1/", "https://r.io/v2/"])
def test_auths(home: Home, key: str) -> None:
    home.docker({"auths": {key: auth("alice:a:b")}})
    assert home.find("r.io") == Credentials("alice", "a:b")


@pytest.mark.parametrize("key", ["https://index.docker.io/v1/", "index.docker.io", "docker.io"])
def test_docker_hub(home: Home, key: str) -> None:
    home.docker({"auths": {key: auth("hub:x")}})
    assert home.find("docker.io") == Credentials("hub", "x")


@pytest.mark.parametrize(
    "key", ["r.io:5000", "evil-r.io", "r.io.evil.com", "sub.r.io", "*.io", "https://r.io.evil/v1/"]
)
def test_never_another_hosts(home: Home, key: str) -> None:
    home.docker({"auths": {key: auth("alice:secret")}})
    assert home.find("r.io") is None


def test_forms_of_an_entry(home: Home) -> None:
    home.docker(
        {
            "auths": {
                "plain.io": {"username": "u", "password": "p"},
                "identity.io": auth("u:") | {"identitytoken": "idt"},
                "token.io": {"registrytoken": "bearer"},
                "empty.io": {},
            }
        }
    )
    assert home.find("plain.io") == Credentials("u", "p")
    assert home.find("identity.io") == Credentials("u", identity_token="idt")  # noqa: S106
    assert home.find("token.io") == Credentials(registry_token="bearer")  # noqa: S106
    assert home.find("empty.io") is None


def test_places_in_order(home: Home) -> None:
    home.docker({"auths": {"r.io": auth("podman:x")}}, ".config/containers/auth.json")
    assert home.find("r.io") == Credentials("podman", "x")
    home.docker({"auths": {"r.io": auth("docker:x")}})
    assert home.find("r.io") == Credentials("docker", "x")
    home.docker({"auths": {"r.io": auth("moved:x")}}, "other/config.json")
    home.environment["DOCKER_CONFIG"] = str(home.root / "other")
    assert home.find("r.io") == Credentials("moved", "x")
    home.docker({"auths": {"r.io": auth("explicit:x")}}, "auth.json")
    home.environment["REGISTRY_AUTH_FILE"] = str(home.root / "auth.json")
    assert home.find("r.io") == Credentials("explicit", "x")
    given = RegistrySettings(username="given", password="x")  # noqa: S106
    assert home.find("r.io", settings=given) == Credentials("given", "x")


def test_a_repository_may_have_its_own(home: Home) -> None:
    home.docker({"auths": {"r.io": auth("all:x"), "r.io/team": auth("team:x")}})
    assert home.find("r.io", "team/app") == Credentials("team", "x")
    assert home.find("r.io", "teams/app") == Credentials("all", "x")
    keychain = Keychain(home.environment, home.root)
    assert keychain.owner("r.io", "team/app") == "r.io/team"
    assert keychain.owner("r.io", "other/app") == ""


def test_password_file(home: Home) -> None:
    (home.root / "pw").write_text("from file\n")
    given = RegistrySettings(username="u", password_file=str(home.root / "pw"))
    assert home.find("r.io", settings=given) == Credentials("u", "from file")
    missing = RegistrySettings(username="u", password_file=str(home.root / "none"))
    with pytest.raises(RegistryError, match="cannot read the password file"):
        home.find("r.io", settings=missing)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"auths": []}, None),
        ({"auths": [1]}, "auths is not an object"),
        ({"auths": {"r.io": 5}}, "not an object"),
        ({"auths": {"r.io": {"auth": "?"}}}, "not base64"),
    ],
)
def test_malformed_files(home: Home, content: object, why: str | None) -> None:
    home.docker(content)
    if why is None:
        assert home.find("r.io") is None
        return
    with pytest.raises(RegistryError, match=why):
        home.find("r.io")


ECHO = """read server; printf '{"ServerURL":"%s","Username":"u","Secret":"s"}' "$server" """


def test_helpers(home: Home) -> None:
    home.helper("special", ECHO)
    home.helper("general", """printf '{"Username":"<token>","Secret":"idt"}'""")
    home.docker({"credHelpers": {"r.io": "special"}, "credsStore": "general", "auths": {}})
    assert home.find("r.io") == Credentials("u", "s")
    assert home.find("other.io") == Credentials(identity_token="idt")  # noqa: S106


def test_the_hub_is_asked_for_by_dockers_key(home: Home) -> None:
    home.helper(
        "s",
        """read server; [ "$server" = https://index.docker.io/v1/ ] || exit 9
printf '{"ServerURL":"%s","Username":"u","Secret":"s"}' "$server" """,
    )
    home.docker({"credsStore": "s"})
    assert home.find("docker.io") == Credentials("u", "s")


def test_a_helper_without_credentials_is_anonymous(home: Home) -> None:
    home.helper("s", "echo 'credentials not found in native keychain'; exit 1")
    home.docker({"credsStore": "s"})
    assert home.find("r.io") is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo locked; exit 1", r"failed \(1\): locked"),
        ("echo garbage", "no credential"),
        ("echo '{}'", "no credential"),
        ("echo '[1]'", "no credential"),
        ("""echo '{"Username":1,"Secret":"s"}'""", "no credential"),
        (
            """echo '{"ServerURL":"evil.io","Username":"u","Secret":"s"}'""",
            "credentials of evil.io",
        ),
    ],
)
def test_a_bad_helper_is_named(home: Home, script: str, why: str) -> None:
    home.helper("bad", script)
    home.docker({"credHelpers": {"r.io": "bad"}, "auths": {"r.io": auth("fallback:x")}})
    with pytest.raises(RegistryError, match=why) as caught:
        home.find("r.io")
    assert "docker-credential-bad" in caught.value.message
    assert caught.value.hint


def test_a_missing_helper_is_named(home: Home) -> None:
    home.docker({"credsStore": "missing"})
    with pytest.raises(RegistryError, match=r"docker-credential-missing .*cannot be started"):
        home.find("r.io")


def test_a_hanging_helper_is_killed_with_its_children(home: Home) -> None:
    fifo = home.root / "fifo"
    os.mkfifo(fifo)
    alive = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    home.helper("slow", f"exec 9>{fifo}; sleep 1000 & wait")
    home.docker({"credsStore": "slow"})
    with pytest.raises(RegistryError, match=r"docker-credential-slow .*no answer in 0.3 s"):
        home.find("r.io", timeout=0.3)
    # The pipe ends when nobody is left who holds it.
    assert select.select([alive], [], [], 60)[0]
    assert os.read(alive, 1) == b""
    os.close(alive)


def test_a_helpers_name_is_no_path(home: Home) -> None:
    home.docker({"credsStore": "../../bin/sh"})
    with pytest.raises(RegistryError, match="no name of a credential helper"):
        home.find("r.io")


def test_a_helper_is_asked_once(home: Home) -> None:
    home.helper("s", f"echo x >> {home.root / 'calls'}\n{ECHO}")
    home.docker({"credsStore": "s"})
    keychain = Keychain(home.environment, home.root)
    for repository in ("a", "b", "c"):
        assert keychain.find("r.io", repository, PLAIN) == Credentials("u", "s")
    assert (home.root / "calls").read_text() == "x\n"


def test_secrets_are_not_shown() -> None:
    text = repr(Credentials("u", "s3cret", "s3cret", "s3cret"))
    assert "s3cret" not in text
