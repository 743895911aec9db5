from pathlib import Path

import pytest

from mkbuild.errors import UserError
from mkbuild.registry.config import (
    Registries,
    RegistrySettings,
    canonical_registry,
    is_loopback,
    parse,
    parse_makisu,
)

BASE = Path("/ws")


def test_defaults() -> None:
    assert Registries().settings("ghcr.io") == RegistrySettings()


def test_settings_and_paths() -> None:
    found = parse(
        {
            "docker.io": {
                "mirrors": ["localhost:5000", "https://m.corp/hub/", "oci-layout:./bases"],
                "timeout": 5,
            },
            "localhost:5000": {"insecure": True, "ca": "tls/ca.pem"},
        },
        BASE,
    )
    hub = found.settings("docker.io", "library/debian")
    assert hub.mirrors == ("localhost:5000", "m.corp/hub", "oci-layout:/ws/bases")
    assert hub.timeout == 5
    assert found.settings("localhost:5000").ca == "/ws/tls/ca.pem"


def test_docker_hub_has_many_names() -> None:
    for name in ("index.docker.io", "registry-1.docker.io", "https://index.docker.io/v1/"):
        assert canonical_registry(name) == "docker.io"
        assert parse({name: {"retries": 1}}, BASE).settings("docker.io").retries == 1


def test_the_stronger_settings_win_one_by_one() -> None:
    build_file = parse({"r.io": {"mirrors": ["m"], "retries": 1}}, BASE)
    user = parse({"r.io": {"retries": 2, "insecure": True}}, BASE)
    merged = user.over(build_file).settings("r.io")
    assert (merged.mirrors, merged.retries, merged.insecure) == (("m",), 2, True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mirors": []}, "unknown setting"),
        ({"mirrors": "x"}, "list of texts"),
        ({"mirrors": [1]}, "list of texts"),
        ({"insecure": "yes"}, "expected bool"),
        ({"retries": True}, "expected int"),
        ({"timeout": True}, "expected float"),
        ({"ca": 5}, "expected str"),
        ("x", "expected settings"),
    ],
)
def test_refused(given: object, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parse({"r.io": given}, BASE)


def test_the_nearest_spelling() -> None:
    with pytest.raises(UserError) as caught:
        parse({"r.io": {"mirors": []}}, BASE)
    assert caught.value.hint == "did you mean 'mirrors'?"


def test_passwords_are_not_shown() -> None:
    assert "s3cret" not in repr(RegistrySettings(username="u", password="s3cret"))  # noqa: S106


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("registry.localhost:1", True),
        ("127.0.0.1:80", True),
        ("127.1.2.3", True),
        ("[::1]:5000", True),
        ("10.0.0.1", False),
        ("localhost.evil.com", False),
        ("ghcr.io", False),
    ],
)
def test_loopback(name: str, *, expected: bool) -> None:
    assert is_loopback(name) is expected


MAKISU = {
    "gcr.io": {
        "makisu-project/.*": {
            "concurrency": 3,
            "timeout": "600s",
            "retries": 4,
            "retry_interval": "500ms",
            "retry_backoff": 2,
            "retry_backoff_max": "30s",
            "push_rate": 1048576,
            "push_chunk": -1,
            "security": {
                "tls": {
                    "ca": {"cert": {"path": "ca.pem"}},
                    "client": {"cert": {"path": "/c.pem"}, "key": {"path": "/k.pem"}},
                },
                "basic": {"username": "_json_key", "password": "${PASSWORD}$$x"},
            },
        }
    },
    "index.docker.io": {
        ".*": {
            "security": {
                "tls": {"client": {"disabled": False}},
                "basic": {"username": "", "password": ""},
            }
        }
    },
    "plain:5000": {".*": {"security": {"tls": {"client": {"disabled": True}}}}},
    "helped.io": {".*": {"security": {"credsStore": "ecr-login"}}},
    "file.io": {".*": {"security": {"basic": {"username": "u", "password_file": "pw"}}}},
}


def test_makisu() -> None:
    found = parse_makisu(MAKISU, BASE, {"PASSWORD": "{json}"})
    assert found.settings("gcr.io", "makisu-project/x") == RegistrySettings(
        ca="/ws/ca.pem",
        cert="/c.pem",
        key="/k.pem",
        username="_json_key",
        password="{json}$$x",  # noqa: S106
        concurrency=3,
        timeout=600,
        retries=4,
        retry_interval=0.5,
        push_rate=1048576,
    )
    assert found.settings("gcr.io", "other/x") == RegistrySettings()
    assert found.settings("docker.io", "library/debian") == RegistrySettings()
    assert found.settings("plain:5000", "x").insecure
    assert found.settings("helped.io", "x").credential_helper == "ecr-login"
    assert found.settings("file.io", "x").password_file == "/ws/pw"  # noqa: S105


def test_makisu_variables_that_are_not_set_stay() -> None:
    found = parse_makisu(MAKISU, BASE, {})
    assert found.settings("gcr.io", "makisu-project/x").password == "${PASSWORD}$$x"  # noqa: S105


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"timeout": "soon"}, "no duration"),
        ({"retries": "many"}, "malformed"),
        ({"unknown": 1}, "unknown setting"),
        ({"security": {"tls": {"client": {"passphrase": {"path": "p"}}}}}, "passphrase"),
        ({"security": "x"}, "malformed"),
    ],
)
def test_makisu_refused(settings: object, why: str) -> None:
    with pytest.raises(UserError, match=why):
        parse_makisu({"r.io": {".*": settings}}, BASE, {})


def test_makisu_pattern_that_is_none() -> None:
    with pytest.raises(UserError, match="no regular expression"):
        parse_makisu({"r.io": {"*": {}}}, BASE, {})
    with pytest.raises(UserError, match="expected repositories"):
        parse_makisu({"r.io": 5}, BASE, {})
