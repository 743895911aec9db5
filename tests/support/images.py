"""Images in OCI layout directories, as plain Python sees them: no eye of mkbuild's is used."""

import io
import itertools
import json
import stat
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

_TYPES = {
    tarfile.DIRTYPE: "d",
    tarfile.REGTYPE: "f",
    tarfile.SYMTYPE: "l",
    tarfile.CHRTYPE: "c",
    tarfile.BLKTYPE: "b",
    tarfile.FIFOTYPE: "p",
}
_inodes = itertools.count(1)
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Found:
    """One path of an image; paths that share ``inode`` are one file."""

    type: str
    mode: int
    owner: str
    content: bytes = b""
    target: str = ""
    device: str = ""
    xattrs: tuple[tuple[str, str], ...] = ()
    mtime: float = field(default=0, compare=False)
    inode: int = field(default=0, compare=False)

    def __str__(self) -> str:
        """Render without inode and time: ``f 644 0:0 hello``, ``l a``, ``d 755 0:0``."""
        if self.type == "l":
            owner = "" if self.owner == "0:0" else f" {self.owner}"
            return f"l{owner} {self.target}"
        words = [self.type, f"{self.mode:o}", self.owner, self.device]
        words += [f"{key}={value}" for key, value in self.xattrs]
        words += [self.content.decode("utf-8", "backslashreplace")] if self.type == "f" else []
        return " ".join(word for word in words if word)


Tree = dict[str, Found]


@dataclass(frozen=True)
class Image:
    """An image's flattened tree, its config document, and how many layers it has."""

    tree: Tree
    document: dict[str, Any]
    layers: int

    @property
    def config(self) -> dict[str, Any]:
        """The container config."""
        found: dict[str, Any] = self.document.get("config") or {}
        return found

    @property
    def history(self) -> list[str]:
        """What made each line of history."""
        return [line.get("created_by", "") for line in self.document.get("history", ())]


def load(layout: Path, tag: str | None = None) -> Image:
    """Read the only image of a layout, or the one with a tag; of an index the first."""
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    if tag is not None:
        name = "org.opencontainers.image.ref.name"
        entries = [entry for entry in entries if entry.get("annotations", {}).get(name) == tag]
    document = json.loads(_blob(layout, entries[0]["digest"]))
    while "manifests" in document:
        document = json.loads(_blob(layout, document["manifests"][0]["digest"]))
    tree: Tree = {}
    for layer in document["layers"]:
        _apply(tree, _blob(layout, layer["digest"]))
    config = json.loads(_blob(layout, document["config"]["digest"]))
    return Image(tree, config, len(document["layers"]))


def _blob(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def _apply(tree: Tree, data: bytes) -> None:
    """Put a layer on a tree (OCI image spec, layer.md)."""
    if data.startswith(_ZSTD):
        data = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read()
    below = set(tree)
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        members = [(member.name.removeprefix("./").strip("/"), member) for member in archive]
        for name, _ in members:
            parent, _, base = name.rpartition("/")
            if base == ".wh..wh..opq":
                _remove(tree, parent, below, itself=False)
            elif base.startswith(".wh."):
                _remove(tree, f"{parent}/{base[4:]}".strip("/"), below)
        for name, member in members:
            if name in {"", "."} or name.rpartition("/")[2].startswith(".wh."):
                continue
            if name in tree and not (member.isdir() and tree[name].type == "d"):
                _remove(tree, name, below)
            if member.islnk():
                tree[name] = tree[member.linkname.removeprefix("./").strip("/")]
                continue
            tree[name] = _found(archive, member, next(_inodes))


def _remove(tree: Tree, path: str, below: set[str], *, itself: bool = True) -> None:
    inside = f"{path}/" if path else ""
    for name in sorted(below):
        if name in tree and (name.startswith(inside) or (itself and name == path)):
            del tree[name]


def _found(archive: tarfile.TarFile, member: tarfile.TarInfo, inode: int) -> Found:
    kind = "f" if member.isreg() else _TYPES[member.type]
    stream = archive.extractfile(member) if kind == "f" else None
    prefix = "SCHILY.xattr."
    return Found(
        kind,
        stat.S_IMODE(member.mode),
        f"{member.uid}:{member.gid}",
        stream.read() if stream else b"",
        member.linkname if kind == "l" else "",
        f"{member.devmajor}:{member.devminor}" if kind in "cb" else "",
        tuple(
            (key.removeprefix(prefix), value.encode("utf-8", "surrogateescape").hex())
            for key, value in sorted(member.pax_headers.items())
            if key.startswith(prefix)
        ),
        member.mtime,
        inode,
    )


def difference(image: Tree, base: Tree) -> dict[str, str | None]:
    """Return what an image has besides its base, rendered; None for what it lacks.

    Of paths that are one file, all but the first are rendered as ``= FIRST``.
    """
    found: dict[str, str | None] = {path: None for path in base if path not in image}
    firsts: dict[int, str] = {}
    for path in sorted(image):
        entry = image[path]
        first = firsts.setdefault(entry.inode, path)
        if first != path and not (path in base and base[path].inode == entry.inode):
            found[path] = f"= {first}"
        elif path not in base or base[path] != entry:
            found[path] = str(entry)
    return found
