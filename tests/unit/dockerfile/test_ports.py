"""EXPOSE."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import ports
from mkbuild.errors import DockerfileError


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("80", ["80/tcp"]),
        ("80/", ["80/tcp"]),
        ("80/UDP", ["80/udp"]),
        ("80/sctp", ["80/sctp"]),
        ("0", ["0/tcp"]),
        ("65535", ["65535/tcp"]),
        ("0080", ["80/tcp"]),
        ("+80", ["80/tcp"]),
        ("80-82/tcp", ["80/tcp", "81/tcp", "82/tcp"]),
        ("80-80", ["80/tcp"]),
        ("8080:80", ["80/tcp"]),
        ("8080-8090:80", ["80/tcp"]),
        ("8080-8081:80-81", ["80/tcp", "81/tcp"]),
        ("127.0.0.1:8080:80/udp", ["80/udp"]),
        ("127.0.0.1::80", ["80/tcp"]),
        ("::80", ["80/tcp"]),
        ("[::1]:8080:80", ["80/tcp"]),
        ("::1:8080:80", ["80/tcp"]),
    ],
)
def test_parse(word: str, expected: list[str]) -> None:
    assert ports.parse([word]) == expected


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "no port specified"),
        ("/tcp", "no port specified"),
        ("80/foo", "invalid proto: foo"),
        ("80/tcp/x", "invalid proto: tcp/x"),
        ("http", "invalid containerPort: http"),
        ("65536", "invalid containerPort: 65536"),
        ("-1", "invalid containerPort: -1"),
        ("80-", "invalid containerPort: 80-"),
        ("82-80", "invalid containerPort: 82-80"),
        ("80-81-82", "invalid containerPort: 80-81-82"),
        ("8.0", "invalid containerPort: 8.0"),
        ("x:80", "invalid hostPort: x"),
        ("8080-8082:80-81", "invalid ranges specified"),
        ("8080:80-81", "invalid ranges specified"),
        ("999.0.0.1:1:2", "invalid IP address: 999.0.0.1"),
        ("host:1:2", "invalid IP address: host"),
        ("fe80::1%eth0:1:2", "invalid IP address: fe80::1%eth0"),
    ],
)
def test_refused(word: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=re.escape(message)):
        ports.parse([word])


def test_order_and_repetition_are_kept() -> None:
    assert ports.parse(["81", "80", "80/tcp"]) == ["81/tcp", "80/tcp", "80/tcp"]


@given(st.text("0123456789-/:tcpudTCP.[]", max_size=16))
def test_any_word_is_read_or_refused(word: str) -> None:
    try:
        found = ports.parse([word])
    except DockerfileError:
        return
    assert found
    assert all(re.fullmatch(r"[0-9]{1,5}/(tcp|udp|sctp)", port) for port in found)
