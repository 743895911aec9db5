"""Whether a registry answers, and lets one do what is to be done; nothing stays there."""

import contextlib
from datetime import datetime
from email.utils import parsedate_to_datetime

from mkbuild.errors import RegistryError
from mkbuild.registry.client import (
    ACCEPTED,
    MAX_DOCUMENT,
    NO_CONTENT,
    OK,
    Client,
    Request,
    pull_scope,
    push_scope,
)
from mkbuild.registry.upload import session_of


def probe(client: Client, repository: str, *, push: bool) -> datetime | None:
    """Ask the registry's root, and where images are to be pushed, begin an upload and cancel it.

    One attempt each. Returns the time that the registry has, where it says so. Raises
    RegistryError where it does not answer, or refuses.
    """
    scope = push_scope(repository) if push else pull_scope(repository)
    root = f"{client.transport.base}/v2/"
    with client.once(Request("GET", root, (scope,), "asking for /v2/", frozenset({OK}))) as answer:
        answer.read(MAX_DOCUMENT)
        stated = answer.headers.get("Date")
    if push:
        _begin_and_cancel(client, repository, scope)
    with contextlib.suppress(ValueError, TypeError):
        return parsedate_to_datetime(stated or "")
    return None


def _begin_and_cancel(client: Client, repository: str, scope: str) -> None:
    uploads = client.url(repository, "blobs", "uploads", "")
    what = f"beginning an upload to {repository}"
    with client.once(Request("POST", uploads, (scope,), what, frozenset({ACCEPTED}))) as answer:
        session = session_of(client, answer)
    cancel = Request(
        "DELETE", session.location, (scope,), "cancelling it", frozenset({OK, NO_CONTENT, ACCEPTED})
    )
    # Not every registry can: it forgets uploads that nobody goes on with.
    with contextlib.suppress(RegistryError):
        client.once(cancel).close()
