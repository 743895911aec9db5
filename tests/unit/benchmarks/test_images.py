import io
import tarfile
from dataclasses import replace

from benchmarks.images import Listing, apply, difference


def layer(*members: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member in members:
            if isinstance(member, tuple):
                member[0].size = len(member[1])
                archive.addfile(member[0], io.BytesIO(member[1]))
            else:
                archive.addfile(member)
    buffer.seek(0)
    return buffer


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


def made(*layers: io.BytesIO) -> Listing:
    tree: Listing = {}
    for one in layers:
        apply(tree, one)
    return tree


def test_layers_whiteouts_and_links() -> None:
    below = layer(
        entry("./", tarfile.DIRTYPE),
        entry("./a", tarfile.DIRTYPE),
        (entry("./a/file"), b"one"),
        entry("./a/hard", tarfile.LNKTYPE, "./a/file"),
        entry("soft", tarfile.SYMTYPE, "a"),
        entry("gone", tarfile.DIRTYPE),
        (entry("gone/inner"), b"x"),
        entry("opaque", tarfile.DIRTYPE),
        (entry("opaque/old"), b"x"),
    )
    above = layer(
        entry(".wh.gone"),
        entry("opaque", tarfile.DIRTYPE),
        entry("opaque/.wh..wh..opq"),
        (entry("opaque/new"), b"y"),
        entry("again", tarfile.LNKTYPE, "a/file"),
    )
    found = made(below, above)
    assert set(found) == {"a", "a/file", "a/hard", "again", "soft", "opaque", "opaque/new"}
    assert found["a/hard"] == found["a/file"] == found["again"]
    assert found["soft"].content == "a"


def test_a_file_in_place_of_a_directory_takes_all_below_it() -> None:
    below = layer(entry("d", tarfile.DIRTYPE), (entry("d/f"), b""), (entry("dx"), b""))
    assert set(made(below, layer((entry("d"), b"now a file")))) == {"d", "dx"}


def test_differences_are_named() -> None:
    ours = made(layer((entry("same"), b"1"), (entry("other"), b"1"), (entry("ours"), b"")))
    theirs = made(layer((entry("same"), b"1"), (entry("other"), b"2")))
    assert [line.partition(":")[0] for line in difference(ours, theirs)] == ["other", "ours"]
    changed = {**ours, "same": replace(ours["same"], mode=0o4755)}
    assert difference(ours, changed) == [
        "same: f 644 0:0 6b86b273ff34 , not f 4755 0:0 6b86b273ff34 "
    ]


def test_mount_points_of_buildah_are_overlooked() -> None:
    assert difference({}, made(layer((entry("etc/resolv.conf"), b"")))) == []
    assert difference({}, made(layer((entry("etc/passwd"), b"")))) != []
