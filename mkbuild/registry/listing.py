"""What a repository lists: its tags, and what refers to a manifest (distribution spec 1.1)."""

import json

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Index, Manifest
from mkbuild.registry.answer import Answer
from mkbuild.registry.client import (
    ACCEPTED,
    CREATED,
    NOT_FOUND,
    OK,
    Client,
    Request,
    media_type,
    pull_scope,
    push_scope,
)

_MAX_TAG_PAGES = 1000


def tags(client: Client, repository: str) -> list[str]:
    """List the tags of a repository, page by page; empty where there is no repository."""
    tags: list[str] = []
    url = client.url(repository, "tags", "list")
    for _ in range(_MAX_TAG_PAGES):
        answer, data = client.request(
            Request(
                "GET",
                url,
                (pull_scope(repository),),
                f"listing the tags of {repository}",
                frozenset({OK, NOT_FOUND}),
            )
        )
        if answer.status == NOT_FOUND:
            return tags
        tags += _tag_page(data, f"{client.registry}/{repository}")
        following = _next_page(client, answer)
        if following is None:
            return tags
        url = following
    raise RegistryError(f"{client.registry}/{repository}: the list of tags has no end")


def _next_page(client: Client, answer: Answer) -> str | None:
    link = answer.headers.get("Link", "")
    target, _, relation = link.partition(">")
    if not target.startswith("<") or 'rel="next"' not in relation:
        return None
    return client.transport.check(answer.refer(target[1:]))


def referrers(client: Client, repository: str, subject: Digest) -> Index:
    """Return what refers to a manifest: by the API, else by the fallback tag; may be empty."""
    answer, data = client.request(
        Request(
            "GET",
            client.url(repository, "referrers", subject),
            (pull_scope(repository),),
            f"listing what refers to {repository}@{subject}",
            frozenset({OK, NOT_FOUND}),
        )
    )
    if answer.status == OK and media_type(answer) == mediatype.OCI_INDEX:
        return _as_index(data, f"{client.registry}/{repository}")
    tag = fallback_tag(subject)
    if client.head(repository, tag) is None:
        return Index.build(())
    found = client.document(repository, tag)
    return found if isinstance(found, Index) else Index.build(())


def add_referrer(client: Client, repository: str, referrer: Manifest) -> None:
    """Store a manifest with a subject; where the registry has no API, list it under the tag."""
    if referrer.subject is None:
        message = "a referrer needs a subject"
        raise ValueError(message)
    answer, _ = client.request(
        Request(
            "PUT",
            client.url(repository, "manifests", referrer.digest),
            (push_scope(repository),),
            f"storing {repository}@{referrer.digest}",
            frozenset({OK, CREATED, ACCEPTED}),
            {"Content-Type": referrer.media_type},
        ),
        referrer.raw,
    )
    if answer.headers.get("OCI-Subject") == referrer.subject.digest:
        return
    known = referrers(client, repository, referrer.subject.digest).manifests
    if all(entry.digest != referrer.digest for entry in known):
        index = Index.build((*known, referrer.descriptor()))
        client.put_document(repository, fallback_tag(referrer.subject.digest), index)


def fallback_tag(subject: Digest) -> str:
    """Tag under which referrers are listed where the API is missing (distribution spec 1.1)."""
    return subject.replace(":", "-")


def _as_index(data: bytes, name: str) -> Index:
    try:
        return Index.parse(data, mediatype.OCI_INDEX)
    except ArchiveError as error:
        raise RegistryError(f"{name}: {error.message}") from error


def _tag_page(data: bytes, name: str) -> list[str]:
    try:
        tags = json.loads(data).get("tags") or []
    except (ValueError, AttributeError, RecursionError) as error:
        raise RegistryError(f"{name}: the list of tags is malformed: {error}") from error
    return [tag for tag in tags if isinstance(tag, str)]
