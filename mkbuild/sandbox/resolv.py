"""The contents of /etc/hosts and /etc/resolv.conf in a RUN, as docker's builder gives them."""

from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

_DEFAULT_SERVERS = ("8.8.8.8", "8.8.4.4")
# systemd-resolved listens on loopback, and keeps the servers that it asks here
_BEHIND_RESOLVED = Path("/run/systemd/resolve/resolv.conf")
_HOST_FILE = Path("/etc/resolv.conf")


def hosts(extra: Iterable[tuple[str, str]] = (), hostname: str = "buildkitsandbox") -> bytes:
    """Return /etc/hosts with ``extra`` (name, address) pairs after the machine's own names."""
    lines = [f"127.0.0.1\tlocalhost {hostname}", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [f"{address}\t{name}" for name, address in extra]
    return "".join(f"{line}\n" for line in lines).encode()


def resolv_conf(text: str, *, own_network: bool) -> bytes:
    """Return /etc/resolv.conf made from the host's.

    In a network of its own a RUN cannot reach a server on the host's loopback: those are left out.
    Where no server is left docker's defaults stand in.
    """
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and line[0] not in "#;"]
    if own_network:
        kept = [line for line in kept if not _is_loopback(line)]
    if not any(_server(line) for line in kept):
        kept += [f"nameserver {server}" for server in _DEFAULT_SERVERS]
    return "".join(f"{line}\n" for line in kept).encode()


def host_resolv_conf(*, own_network: bool = False) -> bytes:
    """Return :func:`resolv_conf` of this host; without a file there it is the defaults."""
    source = _HOST_FILE
    if own_network and _BEHIND_RESOLVED.exists() and "127.0.0.53" in _read(_HOST_FILE):
        source = _BEHIND_RESOLVED
    return resolv_conf(_read(source), own_network=own_network)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _server(line: str) -> str:
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == "nameserver" else ""


def _is_loopback(line: str) -> bool:
    address = _server(line).partition("%")[0]
    try:
        return bool(address) and ip_address(address).is_loopback
    except ValueError:
        return False
