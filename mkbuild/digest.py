"""Digests (OCI image spec, descriptor.md "Digests") and canonical hashing of structured values."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NewType, TypeAlias, Union

Digest = NewType("Digest", str)
"""``sha256:<64 lower-case hex digits>``: the only algorithm that mkbuild writes."""

Canonical: TypeAlias = Union[
    str, bytes, int, bool, Sequence["Canonical"], Mapping[str, "Canonical"], None
]
"""What :func:`canonical` can encode; floats are left out, since they have no one spelling."""

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}\Z")


def parse(text: str) -> Digest:
    """Check a digest that came from outside; raises ValueError, so that no path is made of it."""
    if not _PATTERN.match(text):
        message = f"not a sha256 digest: {text[:100]!r}"
        raise ValueError(message)
    return Digest(text)


def of(data: bytes) -> Digest:
    """Digest some bytes."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def from_hex(text: str) -> Digest:
    """Digest of 64 lower-case hex digits."""
    return parse("sha256:" + text)


def hex_of(digest: Digest) -> str:
    """Return the 64 hex digits of a digest."""
    return digest[7:]


def canonical(value: Canonical) -> bytes:
    """Encode a value so that different values never share an encoding.

    Every part is ``<tag><decimal length>:<payload>``; mappings are sorted by key; text is UTF-8
    with surrogateescape, so that names that are not UTF-8 keep their bytes.
    """
    if isinstance(value, str):
        payload, tag = value.encode("utf-8", "surrogateescape"), b"s"
    elif isinstance(value, bytes):
        payload, tag = value, b"b"
    elif value is None:
        payload, tag = b"", b"n"
    elif isinstance(value, bool):
        payload, tag = (b"1" if value else b"0"), b"t"
    elif isinstance(value, int):
        payload, tag = b"%d" % value, b"i"
    elif isinstance(value, Mapping):
        items = sorted(value.items())
        payload, tag = b"".join(canonical(k) + canonical(v) for k, v in items), b"m"
    else:
        payload, tag = b"".join(map(canonical, value)), b"l"
    return b"%b%d:%b" % (tag, len(payload), payload)


def of_value(domain: str, value: Canonical) -> Digest:
    """Digest a structured value in a domain, so that no two kinds of key can collide."""
    return of(canonical([domain, value]))
