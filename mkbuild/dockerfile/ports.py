"""EXPOSE: from what is written, expanded, to the ports of an image config.

``[[ip:]host:]port[-port][/protocol]``: address and host port are read and dropped, ranges become
single ports, the protocol becomes lower case (BuildKit's rules).
"""

import ipaddress
import re
from collections.abc import Iterable

from mkbuild.dockerfile import golang
from mkbuild.errors import DockerfileError

PROTOCOLS = ("tcp", "udp", "sctp")
_NUMBER = re.compile(r"[+-]?[0-9]+\Z")
_LAST = 65535
_HINT = "write EXPOSE port, port/udp, or first-last"


def parse(words: Iterable[str]) -> list[str]:
    """Return ``80/tcp`` for each port, in order. Raises DockerfileError."""
    return [port for word in words for port in _ports(word)]


def split(word: str) -> tuple[str, str, str, str]:
    """Take a word apart: address, host port, port or range, protocol as written (or ``""``)."""
    rest, _, container = word.rpartition(":")
    address, _, host = rest.rpartition(":")
    port, _, protocol = container.partition("/")
    return address, host, port, protocol


def _ports(word: str) -> list[str]:
    address, host, port, protocol = split(word)
    if not port:
        message = f"invalid port: {golang.quote(word)}: no port specified"
        raise DockerfileError(message, hint=_HINT)
    lower = protocol.lower() or "tcp"
    if lower not in PROTOCOLS:
        message = f"invalid port: {golang.quote(word)}: invalid proto: {protocol}"
        raise DockerfileError(message, hint="known protocols: " + ", ".join(PROTOCOLS))
    _check_address(address)
    span = _range(port)
    if span is None:
        message = f"invalid containerPort: {port}"
        raise DockerfileError(message, hint=_HINT)
    if host:
        outer = _range(host)
        if outer is None:
            message = f"invalid hostPort: {host}"
            raise DockerfileError(message, hint=_HINT)
        if len(outer) != len(span) and len(span) > 1:
            message = f"invalid ranges specified for container and host Ports: {port} and {host}"
            raise DockerfileError(message, hint="EXPOSE needs no host ports: remove them")
    return [f"{number}/{lower}" for number in span]


def _check_address(address: str) -> None:
    if not address:
        return
    bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        if "%" in bare:
            raise ValueError(bare)  # noqa: TRY301 -- a zone is no part of an address here
        ipaddress.ip_address(bare)
    except ValueError:
        message = f"invalid IP address: {address}"
        raise DockerfileError(message, hint="EXPOSE needs no address: remove it") from None


def _range(text: str) -> range | None:
    first, dash, last = text.partition("-")
    low = _number(first)
    high = _number(last) if dash and last != first else low
    return range(low, high + 1) if low is not None and high is not None and low <= high else None


def _number(text: str) -> int | None:
    if not _NUMBER.match(text) or len(text.lstrip("+-0")) > len(str(_LAST)):
        return None
    number = int(text)
    return number if 0 <= number <= _LAST else None
