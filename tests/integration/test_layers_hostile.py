"""Malformed and hostile tars at random, their target's surroundings watched.

In a box, so that an escape would harm nothing. A short run always; ten thousand with ``-m full``.
"""

import os
import random
import tarfile
import time
from pathlib import Path

import pytest

from mkbuild.errors import ArchiveError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot.layerread import LayerContent, read_layer
from mkbuild.snapshot.layerview import Limits
from mkbuild.store.temp import remove_tree
from tests.support.box import boxed
from tests.support.trees import blocks, directory, file, member, tar

NAMES = [
    "a", "b", "a/b", "b/a", "a/a/a", "l", "l/x", "l/l", "../victim/f", "/victim", "a/../../victim",
    "./", ".wh.a", "a/.wh.b", ".wh..wh..opq", "a/.wh..wh..opq", ".wh..wh.plnk/1", "é", "n\udcff",
    "a//b", "y" * 120 + "/z", "etc/passwd", "q",
]  # fmt: skip
RARE = [".wh.", ".wh..", "..", ".", "", "x" * 300, "a/.wh.x/y"]
TARGETS = ["a", "a", "a/b", "q", "b", "l", "../victim", "/victim/f", "/", "..", "", "x" * 5000]
TYPES = (
    [tarfile.REGTYPE] * 4
    + [tarfile.DIRTYPE] * 3
    + [tarfile.SYMTYPE] * 2
    + [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
)
BASE = Index().apply(
    toc.make(
        [
            directory("a", mode=0o700, mtime=4),
            file("a/b"),
            file("f"),
            Entry("l", toc.SYMLINK, 0o777, link="a"),
        ]
    ),
    "B",
)


def archive(dice: random.Random) -> bytes:
    members: list[tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]] = []
    for _ in range(dice.randint(1, 10)):
        name = dice.choice(RARE if dice.random() < 0.02 else NAMES)
        made = member(name, dice.choice(TYPES), mode=dice.choice([0, 0o644, 0o7777]))
        made.mtime = dice.choice([0, -5, 1 << 33])
        made.linkname = dice.choice(TARGETS)
        made.devmajor, made.devminor = dice.choice([0, 1]), dice.choice([0, 3])
        if dice.random() < 0.2:
            key = dice.choice(["user.x", "trusted.overlay.opaque", "security.capability"])
            made.pax_headers = {f"SCHILY.xattr.{key}": "y"}
        regular = made.type in {tarfile.REGTYPE, tarfile.CONTTYPE}
        members.append((made, bytes(dice.choice([0, 1, 513]))) if regular else made)
    data = bytearray(tar(*members, format=dice.choice([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])))
    if dice.random() < 0.3:
        damage(data, dice)
    return bytes(data[: dice.randrange(len(data))] if dice.random() < 0.1 else data)


def damage(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.randint(1, 4)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    for at in range(0, len(data) - 1024, 512):
        block = data[at : at + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(block)


def attempt(data: bytes, tree: Path | None, base: Index | None, below: Path) -> LayerContent | None:
    limits = Limits(size=1 << 20, entries=1000)
    try:
        return read_layer(blocks(data), tree, base=base, locate=lambda _: str(below), limits=limits)
    except ArchiveError:
        return None


def campaign(root: Path, seed: int, count: int) -> int:
    dice = random.Random(seed)
    (root / "victim").mkdir()
    (root / "victim" / "f").write_text("safe")
    mode = (root / "victim").stat().st_mode
    read = 0
    for _ in range(count):
        data, base = archive(dice), dice.choice([BASE, None])
        tree = root / "tree"
        tree.mkdir()
        begun = time.process_time()
        content = attempt(data, tree, base, root / "victim" / "f")
        assert content == attempt(data, None, base, root / "victim" / "f")
        assert time.process_time() - begun < 20
        assert sorted(path.name for path in root.iterdir()) == ["tree", "victim"]
        assert [path.name for path in (root / "victim").iterdir()] == ["f"]
        assert (root / "victim" / "f").read_text() == "safe"
        assert (root / "victim").stat().st_mode == mode
        if content is not None:
            read += 1
            assert toc.decode(*toc.encode(content.toc)) == content.toc
            here = {os.path.relpath(path, tree) for path in tree.rglob("*")}
            there = {entry.path for entry in content.toc.entries if entry.type != toc.WHITEOUT}
            assert there - {""} <= here
        remove_tree(tree)
    return read


@pytest.mark.root
def test_hostile_archives_stay_in_their_tree(tmp_path: Path) -> None:
    assert boxed(tmp_path, campaign, tmp_path, 1, 300) > 30


@pytest.mark.root
@pytest.mark.full
def test_ten_thousand_hostile_archives(tmp_path: Path) -> None:
    assert boxed(tmp_path, campaign, tmp_path, 2, 10_000) > 1000


def _write(place: Path) -> None:
    place.write_text("escaped")


@pytest.mark.root
def test_an_escape_would_harm_nothing(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    boxed(inside, _write, inside / "f")
    for place in (outside, Path("/mkbuild-escaped"), Path("/etc/mkbuild-escaped")):
        with pytest.raises(AssertionError, match="Read-only file system"):
            boxed(inside, _write, place)
        assert not place.exists()
    assert (inside / "f").read_text() == "escaped"
