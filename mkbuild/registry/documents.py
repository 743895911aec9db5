"""Manifests and indexes as registries serve them: which are accepted, and under which name."""

import json

from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Index, Manifest

SCHEMA1 = frozenset({mediatype.DOCKER_SCHEMA1, mediatype.DOCKER_SCHEMA1_SIGNED})


def parse_document(data: bytes, content_type: str, name: str) -> Manifest | Index:
    """Read a manifest or index whose own media type must be what the registry says it is.

    Raises RegistryError; schema 1 is refused by name.
    """
    if content_type in SCHEMA1:
        raise schema1_error(name)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RegistryError(f"{name}: the manifest is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RegistryError(f"{name}: the manifest is not a JSON object")
    if document.get("schemaVersion") == 1:
        raise schema1_error(name)
    stated = document.get("mediaType") or content_type
    if stated != content_type:
        raise RegistryError(
            f"{name}: the registry calls it {content_type or 'nothing'}, itself says {stated}"
        )
    try:
        if stated in mediatype.MANIFESTS:
            return Manifest.parse(data, stated)
        if stated in mediatype.INDEXES:
            return Index.parse(data, stated)
    except ArchiveError as error:
        raise RegistryError(f"{name}: {error.message}") from error
    raise RegistryError(
        f"{name}: {stated or 'no type at all'} is no type of manifest",
        hint="is this the address of a registry (and not of its web page)?",
    )


def schema1_error(name: str) -> RegistryError:
    """Say why a schema 1 manifest is refused."""
    return RegistryError(
        f"{name} is a docker schema 1 manifest, which has no content digests to trust",
        hint="copy it to a current registry with skopeo copy --format v2s2",
    )
