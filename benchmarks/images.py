"""Pushed images as plain Python sees them: no eye of mkbuild's is used."""

import gzip
import hashlib
import http.client
import io
import json
import stat
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import zstandard

_ACCEPT = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        "oci.image.manifest.v1",
        "oci.image.index.v1",
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
    )
)
_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MOUNT_POINTS = {"etc/hostname", "etc/hosts", "etc/resolv.conf"}
"""Empty files that buildah and podman leave in layers where they had mounted something."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What two builders must agree on; times are not among it."""

    type: str
    mode: int
    owner: str
    content: str
    """The SHA-256 of a file, the target of a link, the number of a device."""
    xattrs: tuple[tuple[str, str], ...] = ()


Listing = dict[str, Entry]


def manifest(reference: str) -> dict[str, Any]:
    """Fetch the manifest of an image: ``localhost:PORT/NAME:TAG``; of an index the first."""
    registry, _, rest = reference.partition("/")
    name, _, tag = rest.rpartition(":")
    with _get(registry, f"/v2/{name}/manifests/{tag}") as stream:
        found: dict[str, Any] = json.load(stream)
    if "manifests" in found:
        digest = found["manifests"][0]["digest"]
        with _get(registry, f"/v2/{name}/manifests/{digest}") as stream:
            found = json.load(stream)
    return found


def layer_sizes(reference: str) -> list[int]:
    """Return the bytes of the layers of an image, as they are in the registry."""
    return [layer["size"] for layer in manifest(reference)["layers"]]


def listing(reference: str) -> Listing:
    """Read an image, layer by layer, into what its filesystem holds."""
    registry, _, rest = reference.partition("/")
    name = rest.rpartition(":")[0]
    tree: Listing = {}
    for layer in manifest(reference)["layers"]:
        with (
            _get(registry, f"/v2/{name}/blobs/{layer['digest']}") as stream,
            closing(_decompressed(stream, layer["mediaType"])) as data,
        ):
            apply(tree, data)
    return tree


def difference(ours: Listing, theirs: Listing) -> list[str]:
    """Return what differs, a line each."""
    return [
        f"{path or '/'}: {_say(ours.get(path))}, not {_say(theirs.get(path))}"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path) and path not in _MOUNT_POINTS
    ]


def _say(entry: Entry | None) -> str:
    if entry is None:
        return "nothing"
    return f"{entry.type} {entry.mode:o} {entry.owner} {entry.content[:12]} {entry.xattrs or ''}"


def apply(tree: Listing, layer: IO[bytes]) -> None:
    """Put a layer on a tree (OCI image spec, layer.md)."""
    upper: Listing = {}
    with tarfile.open(fileobj=layer, mode="r|", errors="surrogateescape") as archive:
        for member in archive:
            name = "/".join(part for part in member.name.split("/") if part not in {"", "."})
            parent, _, base = name.rpartition("/")
            if base == _OPAQUE:
                _remove(tree, parent, itself=False)
            elif base.startswith(_WHITEOUT):
                _remove(tree, f"{parent}/{base.removeprefix(_WHITEOUT)}".strip("/"))
            elif member.islnk():
                target = member.linkname.removeprefix("./").strip("/")
                upper[name] = upper[target] if target in upper else tree[target]
            elif name:
                if not member.isdir():
                    _remove(tree, name)
                upper[name] = _entry(archive, member)
    tree |= upper


def _remove(tree: Listing, path: str, *, itself: bool = True) -> None:
    entry = tree.pop(path, None) if itself else tree.get(path)
    if entry is not None and entry.type == "d":
        for name in [name for name in tree if name.startswith(f"{path}/")]:
            del tree[name]


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    kind, content = "d", ""
    if member.isreg():
        stream = cast("io.BufferedReader", archive.extractfile(member))
        kind, content = "f", hashlib.file_digest(stream, "sha256").hexdigest()
    elif member.issym():
        kind, content = "l", member.linkname
    elif member.isdev():
        kind, content = "dev", f"{member.type!r} {member.devmajor}:{member.devminor}"
    xattrs = tuple(
        (key, value)
        for key, value in sorted(member.pax_headers.items())
        if key.startswith("SCHILY.xattr.")
    )
    return Entry(kind, stat.S_IMODE(member.mode), f"{member.uid}:{member.gid}", content, xattrs)


def _decompressed(stream: IO[bytes], media_type: str) -> IO[bytes]:
    if media_type.endswith("gzip"):
        return cast("IO[bytes]", gzip.open(stream))
    if media_type.endswith("zstd"):
        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(stream))
    return stream


@contextmanager
def _get(registry: str, path: str) -> Iterator[IO[bytes]]:
    connection = http.client.HTTPConnection(registry)
    try:
        connection.request("GET", path, headers={"Accept": _ACCEPT})
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise RuntimeError(f"{registry}{path}: {response.status}: {response.read()[:200]!r}")
        yield response
    finally:
        connection.close()
