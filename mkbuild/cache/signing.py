"""Signed entries: who has no key can put nothing into a cache that counts.

The signature is an HMAC-SHA256 over the entry's name (kind, scope and key) and its value, which
holds every digest that the entry speaks of: states, TOC, layer, diff ID. So an entry cannot be
moved to another key or scope either. One key signs and checks: who may read signed entries could
also sign, which is why writing is further limited by scopes and the server's own rights.
"""

import hashlib
import hmac

from mkbuild import digest as digests

MIN_KEY = 16
"""Bytes that a signing key must have."""

_DOMAIN = "mkbuild.signature.v1"


class HmacSigner:
    """Signs and checks with one secret key of at least :data:`MIN_KEY` bytes."""

    def __init__(self, key: bytes) -> None:
        """Keep the key; ValueError where it is too short to be a secret."""
        if len(key) < MIN_KEY:
            message = f"a signing key needs at least {MIN_KEY} bytes"
            raise ValueError(message)
        self._key = key

    def sign(self, name: str, value: bytes) -> bytes:
        """Return the value and, on a line of its own, its signature in hex."""
        return b"%b\n%b" % (value, self._signature(name, value))

    def verify(self, name: str, signed: bytes) -> bytes:
        """Return the value; ValueError where it has no valid signature."""
        value, _, signature = signed.rpartition(b"\n")
        if not hmac.compare_digest(signature, self._signature(name, value)):
            message = "it has no valid signature"
            raise ValueError(message)
        return value

    def _signature(self, name: str, value: bytes) -> bytes:
        signed = digests.canonical([_DOMAIN, name, value])
        return hmac.new(self._key, signed, hashlib.sha256).hexdigest().encode()
