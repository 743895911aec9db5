"""Layers against other people's tools, and against the kernel's own overlayfs."""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot import scan, tarwriter
from mkbuild.snapshot.layerread import read_layer, unpack
from mkbuild.snapshot.layerwrite import named, write_layer
from mkbuild.snapshot.materialise import write_tree
from mkbuild.snapshot.upper import normalise, prepare
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.temp import remove_tree
from tests.support.trees import diff, directory, file, look

EPOCH = 315532800
CAPABILITY = bytes.fromhex("0100000202000000000000000000000000000000")

MANY = diff(
    [
        directory("d", mode=0o2775, uid=5, gid=6, mtime=100),
        file("d/f", b"hello", mode=0o4755, uid=7, gid=8, mtime=-100),
        Entry("d/h", toc.HARDLINK, link="d/f"),
        Entry("d/l", toc.SYMLINK, 0o777, uid=9, mtime=5, link="x" * 300),
        Entry("dev", toc.CHAR, 0o666, device=(1, 3), mtime=5),
        Entry("fifo", toc.FIFO, 0o600, mtime=5),
        file("big-ids", b"hello", uid=1 << 22, gid=(1 << 32) - 2, mtime=5),
        file("cap", b"hello", mtime=5, xattrs=(("security.capability", CAPABILITY),)),
        directory("n" * 200, mtime=1),
        file("n" * 200 + "/" + "m" * 250, b"hello", mtime=5),
        file("raw\udcff", b"hello", mtime=5),
        file("ümlaut", b"hello", mtime=5),
    ],
    b"hello",
)


@pytest.mark.root
def test_gnu_tar_unpacks_our_layer_as_we_do(tmp_path: Path) -> None:
    data = b"".join(tarwriter.stream(MANY))
    theirs, ours, written = tmp_path / "theirs", tmp_path / "ours", tmp_path / "written"
    for path in (theirs, ours, written):
        path.mkdir()
    command: list[str | Path] = ["tar", "-x", "-p", "--numeric-owner", "--same-owner", "--xattrs",
               "--xattrs-include=*", "-C", theirs]  # fmt: skip
    subprocess.run(command, input=data, check=True)
    assert read_layer(iter([data]), ours).toc == MANY.toc
    write_tree(MANY, written)
    assert look(ours) == look(theirs) == look(written)


@pytest.mark.root
@pytest.mark.parametrize("format_", ["gnu", "posix", "ustar"])
def test_we_unpack_gnu_tars_layers_as_it_does(tmp_path: Path, format_: str) -> None:
    source, theirs, ours = tmp_path / "source", tmp_path / "theirs", tmp_path / "ours"
    for path in (source, theirs, ours):
        path.mkdir()
    kept = [e for e in MANY.toc.entries if format_ != "ustar" or len(e.path) < 100]
    kept = [e for e in kept if format_ != "ustar" or (e.uid < 1 << 21 and len(e.link) < 100)]
    kept = [e for e in kept if format_ != "ustar" or (e.mtime >= 0 and not e.xattrs)]
    kept = [e for e in kept if e.link != "d/f" or format_ != "ustar"]
    write_tree(Diff(toc.make(kept), MANY.sources), source)
    extra = ["--xattrs", "--xattrs-include=*"] if format_ == "posix" else []
    made = subprocess.run(
        ["tar", "-c", f"--format={format_}", *extra, "-C", source, "."],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(
        ["tar", "-x", "-p", "--same-owner", *extra, "-C", theirs], input=made, check=True
    )
    content, _ = unpack(io.BytesIO(made), ours)
    truncated = {
        path: (*seen[:3], seen[3] // 10**9, *seen[4:])  # type: ignore[operator]
        for path, seen in look(theirs).items()
    }
    assert {
        path: (*seen[:3], seen[3] // 10**9, *seen[4:])  # type: ignore[operator]
        for path, seen in look(ours).items()
    } == truncated
    assert len(content.toc.entries) == len(kept) + 1


def test_pythons_tarfile_lists_our_layer() -> None:
    with tarfile.open(fileobj=io.BytesIO(b"".join(tarwriter.stream(MANY)))) as archive:
        names = [info.name for info in archive]
    assert len(names) == len(MANY.toc.entries)


@pytest.mark.root
@pytest.mark.parametrize("word", ["gzip", "none"])
def test_umoci_unpacks_an_image_of_our_layers(tmp_path: Path, word: str) -> None:
    whiteout = diff([directory("d", mode=0o2775, uid=5, gid=6, mtime=100),
                     Entry("d/h", toc.WHITEOUT)])  # fmt: skip
    store = MemoryBlobStore()
    records = [write_layer(made, store, named(word)) for made in (MANY, whiteout)]
    config = {
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [record.diff_id for record in records]},
    }  # fmt: skip

    def put(value: object, kind: str) -> dict[str, object]:
        data = json.dumps(value).encode()
        return {"mediaType": kind, "digest": store.put(data), "size": len(data)}

    manifest = {
        "schemaVersion": 2,
        "config": put(config, "application/vnd.oci.image.config.v1+json"),
        "layers": [
            {"mediaType": record.media_type, "digest": record.digest, "size": record.size}
            for record in records
        ],
    }
    descriptor = put(manifest, "application/vnd.oci.image.manifest.v1+json")
    descriptor["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    layout = tmp_path / "layout"
    (layout / "blobs" / "sha256").mkdir(parents=True)
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
    for digest in store:
        (layout / "blobs" / "sha256" / digest[7:]).write_bytes(store.read(digest))
    assert hashlib.sha256(store.read(records[0].digest)).hexdigest() == records[0].digest[7:]
    subprocess.run(
        ["umoci", "unpack", "--image", f"{layout}:latest", tmp_path / "bundle"],
        check=True, capture_output=True,
    )  # fmt: skip
    ours = tmp_path / "ours"
    ours.mkdir()
    write_tree(MANY, ours)
    expected = look(ours)
    del expected["d/h"]
    theirs = look(tmp_path / "bundle" / "rootfs")
    for seen in (expected, theirs):
        # umoci marks owners by attributes of its own, and sets a directory's time as it goes.
        seen.pop("d")
    assert {path: seen[:6] for path, seen in theirs.items()} == {
        path: seen[:6] for path, seen in expected.items()
    }


PROPERTY_NAMES = st.sampled_from(
    ["a", "b", "a/a", "a/b", "b/a", "a/a/a", "é", "n\udcff", "x" * 110]
)
ENTRIES = st.dictionaries(
    PROPERTY_NAMES,
    st.tuples(
        st.sampled_from("dddfffflphw"),
        st.integers(0, 0o7777),
        st.sampled_from([0, 1, 1 << 21, (1 << 32) - 2]),
        st.sampled_from([0, -1, 5, 1 << 33]),
        st.binary(max_size=3),
    ),
    max_size=8,
)


def made_of(drawn: dict[str, tuple[str, int, int, int, bytes]]) -> Diff:
    entries: dict[str, Entry] = {}
    contents = []
    for path in sorted(drawn, key=toc.order):
        kind, mode, owner, mtime, data = drawn[path]
        parent = path.rpartition("/")[0]
        if parent and (parent not in entries or entries[parent].type != toc.DIRECTORY):
            continue
        leaders = [e.path for e in entries.values() if e.type == toc.FILE]
        if kind == "h" and leaders:
            entries[path] = Entry(path, toc.HARDLINK, link=leaders[0])
        elif kind == "w":
            entries[path] = Entry(path, toc.WHITEOUT)
        elif kind == "l":
            entries[path] = Entry(path, kind, 0o777, owner, 0, mtime=mtime, link="t" + data.hex())
        elif kind in "dp":
            entries[path] = Entry(path, kind, mode, owner, owner, mtime=mtime)
        else:
            contents.append(data)
            entries[path] = file(path, data, mode=mode, uid=owner, mtime=mtime)
    return diff(entries.values(), *contents)


@pytest.mark.root
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(drawn=ENTRIES)
def test_diff_to_tar_to_tree_to_diff(
    tmp_path: Path, drawn: dict[str, tuple[str, int, int, int, bytes]]
) -> None:
    made = made_of(drawn)
    tar = b"".join(tarwriter.stream(made))
    trees = [tmp_path / "read", tmp_path / "written"]
    for tree in trees:
        remove_tree(tree)
        tree.mkdir()
    assert read_layer(iter([tar]), trees[0]).toc == made.toc
    write_tree(made, trees[1])
    assert look(trees[0]) == look(trees[1])
    # Read as the upper of a step over a state that has all that the whiteouts hide.
    hidden = [file(e.path) for e in made.toc.entries if e.type == toc.WHITEOUT]
    parents = {e.path.rpartition("/")[0] for e in made.toc.entries if e.type == toc.WHITEOUT}
    held = [e for e in made.toc.entries if e.path in parents and e.path]
    base = Index().apply(toc.make([*held, *hidden]), "B")
    found = normalise(trees[0], base, lambda _: str(tmp_path), started_ns=1 << 62, epoch=None)
    whole = {e.path for e in found.toc.entries}
    assert found.toc == toc.make(
        [e for e in made.toc.entries if e.path in whole], found.toc.embedded
    )
    assert {e.path for e in made.toc.entries} - whole <= parents


class Overlay:
    """A mounted overlay over a lower tree, and a full copy of that tree."""

    def __init__(self, root: Path, base: Diff) -> None:
        self.root = root
        self.lower, self.upper, self.work, self.merged, self.tree = (
            root / name for name in ("lower", "upper", "work", "merged", "tree")
        )
        for path in (self.lower, self.upper, self.work, self.merged, self.tree):
            path.mkdir()
        write_tree(base, self.lower)
        write_tree(base, self.tree)
        self.base = Index().apply(base.toc, "L")
        prepare(self.upper, self.base)

    def mount(self, *lowers: Path, upper: Path | None = None, work: Path | None = None) -> None:
        options = f"lowerdir={':'.join(map(str, lowers))}"
        if upper:
            options += f",upperdir={upper},workdir={work},redirect_dir=off,metacopy=off,index=off"
        subprocess.run(
            ["mount", "-t", "overlay", "overlay", "-o", options, self.merged], check=True
        )

    def umount(self) -> None:
        subprocess.run(["umount", self.merged], check=True)

    def read(self, found: Located) -> str:
        return f"{self.lower}/{found.inode}"


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    entries = [directory(name, mtime=9) for name in ("d", "d/e", "k")]
    names = ["a", "b", "d/a", "d/b", "d/e/a", "d/e/b", "k/a"]
    entries += [file(name, name.encode(), mtime=7) for name in names]
    entries.append(Entry("l", toc.SYMLINK, 0o777, link="d", mtime=7))
    made = Overlay(tmp_path, diff(entries, *(name.encode() for name in names)))
    yield made
    if made.merged.is_mount():
        made.umount()


def mess(  # noqa: C901 -- one case a change
    root: Path, seed: int
) -> None:
    """Change a tree at random, the same way for the same seed."""
    dice = random.Random(seed)
    for _ in range(dice.randint(1, 25)):
        paths = sorted(root.rglob("*"), key=str)
        path = dice.choice(paths) if paths else root
        place = path if path.is_dir() and not path.is_symlink() else path.parent
        name = place / dice.choice("abcdek")
        match dice.randrange(9):
            case 0 if path.is_dir() and not path.is_symlink():
                if path != root:
                    shutil.rmtree(path)
            case 0 | 1 if not path.is_dir() or path.is_symlink():
                path.unlink()
            case 2 if not name.exists() and not name.is_symlink():
                name.mkdir(mode=0o755)
            case 3 if name.is_file() or not name.exists():
                name.write_bytes(dice.randbytes(dice.randrange(3)))
            case 4 if path.is_file():
                path.write_bytes(path.read_bytes())
            case 5 if path.exists() and not path.is_symlink():
                path.chmod(dice.choice([0o755, 0o644, 0o700]))
            case 6 if not name.exists() and path.is_file() and not path.is_symlink():
                path.rename(name)
            case 7 if not name.exists() and not name.is_symlink():
                name.symlink_to(dice.choice(["a", "../d", "nowhere"]))
            case 8 if path.is_file():
                os.utime(path, (dice.randrange(100), dice.randrange(100)))
            case _:
                pass


def merged_look(root: Path) -> dict[str, tuple[object, ...]]:
    """Describe a merged tree; inode numbers and directories' times are overlayfs's own affair."""
    return {
        path: (*seen[:3], None if str(seen[0]).startswith("d") else seen[3], seen[4])
        for path, seen in look(root).items()
    }


@pytest.mark.root
@pytest.mark.parametrize("seed", range(40))
def test_overlay_and_full_scan_see_the_same_and_its_layer_gives_the_same(
    overlay: Overlay, seed: int
) -> None:
    before = scan.record(overlay.tree)
    started = time.time_ns()
    overlay.mount(overlay.lower, upper=overlay.upper, work=overlay.work)
    mess(overlay.merged, seed)
    overlay.umount()
    mess(overlay.tree, seed)
    made = normalise(overlay.upper, overlay.base, overlay.read, started_ns=started, epoch=EPOCH)
    scanned = scan.scan(
        overlay.tree, overlay.base, before, overlay.read, started_ns=started, epoch=EPOCH
    )
    assert made.toc == scanned.toc
    # What this machine sees next, what another one sees, and the full tree.
    overlay.mount(overlay.upper, overlay.lower)
    here = merged_look(overlay.merged)
    overlay.umount()
    other = overlay.root / "other"
    other.mkdir()
    tar = b"".join(tarwriter.stream(made))
    assert read_layer(iter([tar]), other, base=overlay.base).toc == made.toc
    overlay.mount(other, overlay.lower)
    there = merged_look(overlay.merged)
    overlay.umount()
    assert here == there == merged_look(overlay.tree)
    # And the TOCs alone say it, too.
    after = overlay.base.apply(made.toc, "U")
    assert {found.entry.path for found in after.walk()} - {""} == set(here)
