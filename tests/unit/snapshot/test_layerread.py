import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from mkbuild.errors import ArchiveError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Toc
from mkbuild.snapshot import tarwriter
from mkbuild.snapshot.layerread import LayerContent, read_layer, unpack
from mkbuild.snapshot.layerview import Limits
from mkbuild.store.temp import remove_tree
from tests.support.trees import blocks, diff, directory, file, look, member, tar

DIR, SYM, LNK = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def link(name: str, target: str) -> tarfile.TarInfo:
    return member(name, SYM, linkname=target)


def hard(name: str, target: str) -> tarfile.TarInfo:
    return member(name, LNK, linkname=target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Directories around the tree, with all that must not change."""
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "file").write_text("safe")
    (tmp_path / "tree").mkdir()
    return tmp_path


def load(
    data: bytes, tree: Path | None = None, base: Index | None = None, limits: Limits | None = None
) -> LayerContent:
    with_tree = read_layer(blocks(data), tree, base=base, limits=limits)
    without = read_layer(blocks(data), None, base=base, limits=limits)
    assert with_tree == without
    return with_tree


def shown(changes: Toc) -> list[str]:
    return [
        f"{e.type} {e.path}{' -> ' + e.link if e.link else ''}{' opaque' if e.opaque else ''}"
        for e in changes.entries
    ]


def test_a_layer_becomes_toc_and_tree(outside: Path) -> None:
    data = tar(
        member("./", DIR),
        member("./etc/", DIR, mode=0o1777, mtime=9),
        ("./etc/passwd", b"root:x:0:0::/root:/bin/sh\n"),
        (member("./bin/su", mode=0o4755, mtime=7), b"elf"),
        hard("./bin/sudo", "./bin/su"),
        link("./lib", "usr/lib"),
        member("./fifo", tarfile.FIFOTYPE),
    )
    content = load(data, outside / "tree")
    assert shown(content.toc) == [
        "d ", "f bin/su", "h bin/sudo -> bin/su", "d etc", "f etc/passwd", "p fifo",
        "l lib -> usr/lib",
    ]  # fmt: skip
    assert content.toc.embedded == {"etc/passwd": b"root:x:0:0::/root:/bin/sh\n"}
    assert not content.dependent
    found = look(outside / "tree")
    assert found["bin/su"][0] == "-rwsr-xr-x"
    assert found["bin/su"][3:6] == (7 * 10**9, b"elf", "bin/su")
    assert found["bin/sudo"][5] == "bin/su"
    assert found["etc"][0] == "drwxrwxrwt"
    assert found["etc"][3] == 9 * 10**9
    assert found["lib"][4] == "usr/lib"


ESCAPES = {
    "absolute": tar(("/victim/file", b"evil"), ("//victim/x", b"evil")),
    "dotdot": tar(("../victim/file", b"evil"), ("a/../../victim/x", b"evil")),
    "symlink": tar(link("l", "../victim"), ("l/file", b"evil")),
    "absolute symlink": tar(link("l", "/"), ("l/victim/file", b"evil")),
    "chain": tar(link("a", "b"), link("b", "c"), link("c", ".."), ("a/victim/file", b"evil")),
    "symlink in a directory": tar(
        member("d", DIR), link("d/up", "../.."), ("d/up/victim/file", b"evil")
    ),
    "file through a symlink": tar(link("f", "../victim/file"), ("f", b"evil")),
    "mode through a symlink": tar(link("l", "../victim"), member("l", DIR, mode=0o777)),
    "directory below a symlink": tar(link("l", ".."), member("l/victim/new", DIR)),
    "whiteout through a symlink": tar(link("l", "../victim"), ("l/.wh.file", b"")),
    "opaque through a symlink": tar(link("l", "../victim"), ("l/.wh..wh..opq", b"")),
    "swapped directory": tar(
        member("d", DIR), ("d/x", b""), link("d", "../victim"), ("d/file", b"evil")
    ),
    "hard link through a symlink": tar(link("l", "../victim"), ("l/x", b"1"), hard("h", "l/x")),
    "hard link to a symlink": tar(
        link("l", "../victim/file"), hard("h", "l"), ("h", b"evil"), ("l", b"evil")
    ),
    "long": tar(("../" * 1500 + "victim/file", b"evil"), ("d/" * 1200 + "x", b"deep")),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_nothing_leaves_the_tree(outside: Path, name: str) -> None:
    load(ESCAPES[name], outside / "tree")
    assert [path.name for path in (outside / "victim").iterdir()] == ["file"]
    assert (outside / "victim" / "file").read_text() == "safe"
    assert (outside / "victim").stat().st_mode & 0o777 == 0o755
    assert sorted(path.name for path in outside.iterdir()) == ["tree", "victim"]


def test_symlinked_parents_lead_within_the_layer(outside: Path) -> None:
    data = tar(member("usr/lib", DIR), link("lib", "/usr/lib"), ("lib/x", b"x"))
    assert shown(load(data, outside / "tree").toc) == ["l lib -> /usr/lib", "d usr/lib",
                                                       "f usr/lib/x"]  # fmt: skip


REFUSED = {
    "root as symlink": tar(link("./", "/etc")),
    "root as hard link": tar(("x", b""), hard(".", "x")),
    "root as file": tar(("a/..", b"x")),
    "hard link to the outside": tar(hard("h", "../victim/file")),
    "hard link to nothing": tar(hard("h", "nothing")),
    "hard link to a directory": tar(member("d", DIR), hard("h", "d")),
    "hard link to the root": tar(hard("h", "/")),
    "whiteout of nothing": tar((".wh.", b"")),
    "whiteout of dot": tar(("d/.wh..", b"")),
    "whiteout of dotdot": tar(("d/.wh...", b"")),
    "whiteout that holds entries": tar((".wh.x/y", b"")),
    "entry below a file": tar(("a", b""), ("a/b", b"")),
    "link loop": tar(link("a", "b"), link("b", "a"), ("a/x", b"")),
    "name over 255 bytes": tar(("n" * 256, b"")),
    "whiteout over 255 bytes": tar((".wh." + "n" * 256, b"")),
    "whiteout below a name over 255 bytes": tar(("n" * 256 + "/.wh.x", b"")),
    "opaque name over 255 bytes": tar(("n" * 256 + "/.wh..wh..opq", b"")),
    "path over all limits": tar(("a/" * 8192 + "x", b"")),
    "empty symlink": tar(link("a", "")),
    "symlink over PATH_MAX": tar(link("a", "x" * 4096)),
    "hard link over its own parent": tar(member("d", DIR), ("d/x", b""), hard("d", "d/x")),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("tree", [True, False])
def test_refused(outside: Path, name: str, tree: bool) -> None:
    with pytest.raises(ArchiveError):
        read_layer(blocks(REFUSED[name]), outside / "tree" if tree else None)
    assert (outside / "victim" / "file").read_text() == "safe"


def test_the_last_of_several_entries_wins(outside: Path) -> None:
    data = tar(("a", b"1"), hard("b", "a"), ("a", b"2"), (member("a", mode=0o600), b"3"))
    content = load(data, outside / "tree")
    assert shown(content.toc) == ["f a", "f b"]
    found = look(outside / "tree")
    assert (found["a"][4], found["b"][4]) == (b"3", b"1")
    assert found["a"][0] == "-rw-------"


def test_types_replace_each_other(outside: Path) -> None:
    data = tar(
        member("d", DIR), ("d/x", b""), ("d/e/y", b""), ("d", b"file"),
        ("f", b""), member("f", DIR), ("f/x", b""),
        member("same", DIR, mode=0o700), ("same/kept", b""), member("same", DIR, mode=0o711),
        ("etc/passwd", b"gone"), ("etc", b""),
    )  # fmt: skip
    content = load(data, outside / "tree")
    assert shown(content.toc) == ["f d", "f etc", "d f", "f f/x", "d same", "f same/kept"]
    assert content.toc.entries[4].mode == 0o711
    assert content.toc.embedded == {}
    assert look(outside / "tree")["same"][0] == "drwx--x--x"


def test_hard_links_in_any_order_have_one_leader(outside: Path) -> None:
    data = tar(("z", b"x"), hard("a", "z"), hard("m", "a"), link("s", "q"), hard("t", "s"))
    content = load(data, outside / "tree")
    assert shown(content.toc) == ["f a", "h m -> a", "l s -> q", "h t -> s", "h z -> a"]
    assert look(outside / "tree")["z"][5] == "a"


def test_a_hard_link_to_itself_changes_nothing(outside: Path) -> None:
    assert shown(load(tar(("a", b"x"), hard("a", "./a")), outside / "tree").toc) == ["f a"]


@pytest.mark.parametrize("order", [1, -1])
def test_whiteouts_and_opaque_marks_in_any_order(outside: Path, order: int) -> None:
    members: list[tarfile.TarInfo | tuple[str, bytes]] = [
        member("d", DIR), ("d/.wh..wh..opq", b""), ("d/new", b""), (".wh.gone", b""),
        (".wh.file", b""), ("file", b""), (".wh.dir", b""), ("dir/x", b""),
        ("d/.wh.hidden", b""), (".wh..wh.plnk", b""), (".wh..wh.aufs/x", b""),
    ]  # fmt: skip
    content = load(tar(*members[::order]), outside / "tree")
    assert shown(content.toc) == [
        "d d opaque", "w d/hidden", "f d/new", "d dir opaque", "f dir/x", "f file", "w gone",
    ]  # fmt: skip
    found = look(outside / "tree")
    assert found["gone"] == ("whiteout",)
    assert ("trusted.overlay.opaque", b"y") in found["d"][6]  # type: ignore[operator]
    assert ("trusted.overlay.opaque", b"y") in found["dir"][6]  # type: ignore[operator]


def test_a_character_device_0_0_is_a_whiteout(outside: Path) -> None:
    data = tar(member("x", tarfile.CHRTYPE, devmajor=0, devminor=0))
    assert shown(load(data, outside / "tree").toc) == ["w x"]


def test_whiteouts_share_an_inode(outside: Path) -> None:
    load(tar(*((f".wh.{n}", b"") for n in range(5))), outside / "tree")
    assert {path.lstat().st_ino for path in (outside / "tree").iterdir()} == {
        (outside / "tree" / "0").lstat().st_ino
    }


def test_an_opaque_root_hides_all_of_the_base(outside: Path) -> None:
    base = Index().apply(
        toc.make([directory("d"), file("d/old"), file("x"), file("gone"), file("y")]), "L"
    )
    data = tar(("d/new", b""), ("x", b""), (".wh..wh..opq", b""), (".wh.gone", b""))
    content = load(data, outside / "tree", base)
    assert shown(content.toc) == ["d d opaque", "f d/new", "w gone", "f x", "w y"]
    assert content.dependent
    assert sorted(look(outside / "tree")) == ["d", "d/new", "gone", "x", "y"]


def test_overlays_own_attributes_and_others_are_dropped(outside: Path) -> None:
    names = ["trusted.overlay.opaque", "user.overlay.opaque", "security.selinux", "user.kept"]
    headers = {f"SCHILY.xattr.{name}": "y" for name in names}
    data = tar(member("d", DIR, pax_headers=headers))
    assert load(data, outside / "tree").toc.entries[0].xattrs == (("user.kept", b"y"),)
    assert look(outside / "tree")["d"][6] == (("user.kept", b"y"),)


@pytest.mark.root
def test_owners_devices_and_capabilities(outside: Path) -> None:
    capability = bytes.fromhex("0100000202000000000000000000000000000000")
    header = member("cap", uid=1 << 22, gid=(1 << 32) - 2, mode=0o6755)
    header.pax_headers = {}
    data = tar(header, member("dev", tarfile.CHRTYPE, devmajor=1, devminor=3, uid=5))
    written = load(data, outside / "tree")
    found = look(outside / "tree")
    assert found["cap"][:3] == ("-rwsr-sr-x", 1 << 22, (1 << 32) - 2)
    assert found["dev"][4] == os.makedev(1, 3)
    assert written.toc.entries[1].device == (1, 3)
    made = diff([file("c", b"x", uid=9, xattrs=(("security.capability", capability),))], b"x")
    (outside / "other").mkdir()
    assert read_layer(tarwriter.stream(made), outside / "other").toc == made.toc
    assert look(outside / "other")["c"][6] == (("security.capability", capability),)


def test_one_id_leaves_owners_to_the_toc(outside: Path) -> None:
    content = read_layer(
        blocks(tar((member("x", uid=12345, gid=1 << 30), b""))), outside / "tree", single_id=True
    )
    assert content.toc.entries[0][3:5] == (12345, 1 << 30)
    assert look(outside / "tree")["x"][1:3] == (os.geteuid(), os.getegid())


def test_parents_left_out_are_like_the_bases(outside: Path) -> None:
    base = Index().apply(toc.make([directory("a", mode=0o700, mtime=3), directory("b")]), "L")
    content = load(tar(("a/x", b"")), outside / "tree", base)
    assert shown(content.toc) == ["f a/x"]
    assert content.dependent
    assert look(outside / "tree")["a"][0] == "drwx------"
    assert look(outside / "tree")["a"][3] == 3 * 10**9
    assert not load(tar(("b/x", b"")), None, base).dependent
    assert not load(tar(("a/x", b""))).dependent


def test_whiteouts_where_the_base_has_no_directory_make_none(outside: Path) -> None:
    base = Index().apply(toc.make([directory("a")]), "L")
    content = load(tar(("a/.wh.x", b""), ("b/.wh.x", b"")), outside / "tree", base)
    assert shown(content.toc) == ["w a/x", "w b/x"]
    assert sorted(look(outside / "tree")) == ["a", "a/x"]
    assert base.apply(content.toc, "M").get("b") is None


def test_hard_links_to_files_of_other_layers_are_copies(outside: Path) -> None:
    (outside / "below").write_bytes(b"below")
    base = Index().apply(toc.make([directory("d"), file("d/f", b"below", mode=0o640)]), "L")
    data = tar(hard("h", "d/f"), hard("i", "h"))
    content = read_layer(
        blocks(data), outside / "tree", base=base, locate=lambda _: str(outside / "below")
    )
    assert shown(content.toc) == ["f h", "h i -> h"]
    assert content.dependent
    assert look(outside / "tree")["h"][4] == b"below"
    assert look(outside / "tree")["h"][0] == "-rw-r-----"
    assert read_layer(blocks(data), None, base=base) == content
    unknown = file("d/f", b"below")._replace(content=None)
    with pytest.raises(ArchiveError, match="another layer"):
        read_layer(blocks(data), None, base=Index().apply(toc.make([directory("d"), unknown]), "L"))
    with pytest.raises(ArchiveError, match="does not exist"):
        read_layer(blocks(data), None)


def test_limits(outside: Path) -> None:
    data = tar(*((f"d{n}/f", b"") for n in range(50)))
    with pytest.raises(ArchiveError, match="more than 60 entries"):
        load(data, outside / "tree", limits=Limits(entries=60))
    with pytest.raises(ArchiveError, match="bytes of names"):
        load(tar(("a/" * 3000 + "x", b"")), limits=Limits(names=100_000))


def test_a_bomb_is_an_error(outside: Path) -> None:
    info = member("zeros")
    info.size = 1 << 30
    bomb = io.BytesIO()
    with gzip.open(bomb, "wb", compresslevel=1) as packed:
        packed.write(info.tobuf())
        for _ in range(64):
            packed.write(bytes(1 << 20))
    bomb.seek(0)
    with pytest.raises(ArchiveError, match="more than"):
        unpack(bomb, outside / "tree", limits=Limits(size=16 << 20))
    assert (outside / "tree" / "zeros").stat().st_size <= 16 << 20


def test_unpack_returns_the_diff_id_of_all_bytes(outside: Path) -> None:
    data = tar(("x", b"y")) + b"trailing" * 1000
    content, diff_id = unpack(io.BytesIO(gzip.compress(data)), outside / "tree")
    assert diff_id == "sha256:" + hashlib.sha256(data).hexdigest()
    assert shown(content.toc) == ["f x"]


def test_paths_over_path_max(outside: Path) -> None:
    deep = "/".join(["n" * 200] * 60)
    content = load(tar((f"{deep}/f", b"deep"), hard("h", f"{deep}/f")), outside / "tree")
    assert shown(content.toc) == ["f h", f"h {deep}/f -> h"]
    assert (outside / "tree" / "h").read_bytes() == b"deep"
    remove_tree(outside / "tree")
    assert not (outside / "tree").exists()
