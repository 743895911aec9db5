"""``mkbuild promote``: finished images, as a metadata file names them, under another tag.

Nothing is built, and nothing is taken on trust: documents and blobs travel by digest, from the
repository that the metadata file says to the one that is asked for, and tags move last.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkbuild import digest as digests
from mkbuild.buildfile.target import Workspace
from mkbuild.digest import Digest
from mkbuild.engine.publish import Publication, Publisher
from mkbuild.engine.registries import RegistryAccess
from mkbuild.engine.request import Sources
from mkbuild.engine.session import Session
from mkbuild.errors import UsageError, UserError
from mkbuild.events import Published, Reporter
from mkbuild.oci import reference as references
from mkbuild.oci.model import Index, Manifest
from mkbuild.oci.reference import Reference
from mkbuild.registry.config import canonical_registry

if TYPE_CHECKING:
    from mkbuild.registry.client import Client

_HINT = "mkbuild build --push --metadata-file FILE writes one"


def promote(  # noqa: PLR0913 -- what it is asked for
    result: Path,
    tag: str,
    to: str | None,
    *,
    storage: Path,
    workspace: Workspace,
    sources: Sources,
    reporter: Reporter,
) -> list[Published]:
    """Let a tag stand for each image of a metadata file; returns where, and whether it moved.

    ``to``: another registry, which keeps the repositories' names, or ``registry/prefix``, below
    which each image keeps the last part of its name. Raises UsageError, RegistryError (a source is
    gone), PublishError (no tag has moved, or the next publication finishes the window).
    """
    wanted = _wanted(result)
    try:
        with Session(storage, reporter, workspace.cache) as session:
            root = Path(workspace.root)
            access = RegistryAccess(workspace.registries, sources, root, session.emit)
            try:
                publications = [
                    _publication(access, session, digest, names, _destinations(names, tag, to))
                    for digest, names in wanted
                ]
                publisher = Publisher(
                    access.pusher(session.store), storage / "publications", session.emit
                )
                return publisher.publish(publications)
            finally:
                access.close()
    finally:
        reporter.close()


def _wanted(result: Path) -> list[tuple[Digest, list[Reference]]]:
    """Read a metadata file: the digest of each target, and the names it was pushed under.

    A target without any, such as the base of others (``publish: false``), is left out.
    """
    try:
        document = json.loads(result.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {result}: {error}", hint=_HINT) from error
    if not isinstance(document, dict) or not document:
        raise UsageError(f"{result} is no metadata file", hint=_HINT)
    named = [found for item in document.items() if (found := _target(*item))[1]]
    if not named:
        raise UsageError(
            f"no image of {result} has a name, so none was pushed",
            hint="give them tags: in the build file",
        )
    return named


def _target(label: str, target: Any) -> tuple[Digest, list[Reference]]:  # noqa: ANN401 -- any JSON
    try:
        digest = digests.parse(target["containerimage.digest"])
        names = [references.parse(name) for name in target["image.name"].split(",") if name]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{label} is no target of a metadata file: {error}", hint=_HINT) from error
    return digest, names


def _destinations(names: list[Reference], tag: str, to: str | None) -> tuple[Reference, ...]:
    found: dict[Reference, None] = {}
    for name in names:
        place = name if to is None else _below(to, name)
        found[place.with_tag(tag)] = None
    return tuple(found)


def _below(to: str, name: Reference) -> Reference:
    registry, _, prefix = to.strip("/").partition("/")
    last = name.repository.rpartition("/")[2]
    repository = f"{prefix}/{last}" if prefix else name.repository
    place = replace(name, registry=canonical_registry(registry), repository=repository)
    try:
        references.check(place)
    except UserError as error:
        hint = "write REGISTRY or REGISTRY/PREFIX, as registry.example.com/prod"
        raise UsageError(f"--to {to}: {error.message}", hint=hint) from error
    return place


def _publication(
    access: RegistryAccess,
    session: Session,
    digest: Digest,
    names: list[Reference],
    destinations: tuple[Reference, ...],
) -> Publication:
    """Read an image's documents where it was pushed; its blobs only where somebody lacks them."""
    from mkbuild.registry import blobs

    source = names[0]
    client = access.clients().get(source.registry, source.repository)
    document = client.document(source.repository, digest)
    manifests = _manifests(client, source.repository, document)
    parts = {part.digest for found in manifests for part in (*found.layers, found.config)}
    return Publication(
        destinations,
        document,
        manifests,
        provide=lambda blob: blobs.download(client, source.repository, blob, session.store),
        origins=dict.fromkeys(parts, (source,)),
    )


def _manifests(
    client: "Client", repository: str, document: Manifest | Index
) -> tuple[Manifest, ...]:
    """Return the image manifests of a document; mkbuild makes no indexes of indexes."""
    if isinstance(document, Manifest):
        return (document,)
    found = (client.document(repository, entry.digest) for entry in document.manifests)
    return tuple(manifest for manifest in found if isinstance(manifest, Manifest))
