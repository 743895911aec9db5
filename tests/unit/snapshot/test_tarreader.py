import contextlib
import io
import tarfile
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.errors import ArchiveError
from mkbuild.snapshot import tarwriter
from mkbuild.snapshot.tarreader import Header, TarReader
from tests.support.trees import blocks, diff, directory, file, member, tar

LONG = "d" * 150 + "/" + "f" * 260


def read(data: bytes, size: int = 700) -> list[tuple[Header, bytes]]:
    reader = TarReader(blocks(data, size))
    return [(header, b"".join(reader.content())) for header in reader]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("size", [1, 512, 700, 1 << 20])
def test_reads_what_tarfile_writes(format_: int, size: int) -> None:
    data = tar(
        member("d", tarfile.DIRTYPE, mode=0o1777, uid=3, gid=4, mtime=5),
        ("d/f", b"x" * 1000),
        ("empty", b""),
        member("s", tarfile.SYMTYPE, linkname="d/f"),
        member("h", tarfile.LNKTYPE, linkname="d/f"),
        member("c", tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("p", tarfile.FIFOTYPE),
        ("last", b"y" * 512),
        format=format_,
    )
    found = read(data, size)
    assert [(h.name.rstrip("/"), h.type, c) for h, c in found] == [
        ("d", "5", b""),
        ("d/f", "0", b"x" * 1000),
        ("empty", "0", b""),
        ("s", "2", b""),
        ("h", "1", b""),
        ("c", "3", b""),
        ("p", "6", b""),
        ("last", "0", b"y" * 512),
    ]
    assert found[0][0][2:5] == (0o1777, 3, 4)
    assert found[0][0].mtime == 5
    assert found[3][0].link == "d/f"
    assert found[5][0].device == (1, 3)


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_links(format_: int) -> None:
    data = tar((LONG, b"x"), member("s", tarfile.SYMTYPE, linkname=LONG), format=format_)
    found = read(data)
    assert found[0][0].name == LONG
    assert found[1][0].link == LONG


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_large_numbers_and_times_before_1970(format_: int) -> None:
    info = member("x", uid=1 << 22, gid=(1 << 32) - 2, mtime=-7)
    header = read(tar(info, format=format_))[0][0]
    assert (header.uid, header.gid, header.mtime) == (1 << 22, (1 << 32) - 2, -7)


def test_names_that_are_not_utf8_keep_their_bytes() -> None:
    data = b"".join(tarwriter.stream(diff([file("raw\udcff")])))
    assert read(data)[0][0].name == "raw\udcff"
    gnu = tar(member("raw\udcff"), format=tarfile.GNU_FORMAT)
    assert read(gnu)[0][0].name == "raw\udcff"


@pytest.mark.parametrize(
    ("text", "seconds"), [("5.9", 5), ("-1.5", -2), ("-1.0", -1), ("99999999999", 0)]
)
def test_pax_times_are_rounded_down_and_wild_ones_are_none(text: str, seconds: int) -> None:
    assert read(tar(member("x", pax_headers={"mtime": text})))[0][0].mtime == seconds


def test_attributes_and_global_headers() -> None:
    buffer = io.BytesIO()
    with tarfile.open(
        fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT,
        pax_headers={"comment": "c", "gid": "77", "path": "evil"},
    ) as archive:  # fmt: skip
        archive.addfile(member("a", pax_headers={"SCHILY.xattr.user.k": "v"}))
        archive.addfile(member("b", pax_headers={"gid": "5"}))
    first, second = (header for header, _ in read(buffer.getvalue()))
    assert (first.name, first.gid, first.xattrs) == ("a", 77, (("user.k", b"v"),))
    assert (second.name, second.gid, second.xattrs) == ("b", 5, ())


def test_v7_directories_end_in_a_slash() -> None:
    info = member("d/", tarfile.AREGTYPE)
    block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
    assert read(bytes(block) + bytes(1024))[0][0].type == "5"


def test_the_zeros_at_the_end_may_be_missing() -> None:
    data = tar(("a", b"x"))
    assert len(read(data[:1024])) == 1
    assert len(read(data[:1536])) == 1
    assert read(b"") == []


def pax(records: bytes, size: int | None = None) -> bytes:
    info = member("pax", tarfile.XHDTYPE)
    info.size = len(records) if size is None else size
    head = info.tobuf(tarfile.USTAR_FORMAT)
    return head + records + bytes(-len(records) % 512) + tar(("x", b"x"))


def patched(offset: int, value: bytes, *, sign: bool = True) -> bytes:
    block = bytearray(tar(("x", b"x"))[:1024])
    block[offset : offset + len(value)] = value
    if sign:
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block[:512])
    return bytes(block) + bytes(1024)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tar(("a", b"x" * 600))[:1000], "ends too early"),
        (tar(("a", b"x"))[:300], "ends too early"),
        (b"garbage" * 100, "tar: "),
        (patched(0, b"y", sign=False), "checksum"),
        (patched(124, b"0000000009x\0"), "no number"),
        (patched(124, b"-1\0        "), "no number"),
        (patched(124, b"\xff" * 12), "negative size"),
        (patched(108, b"\x80\0\0\0\xff\xff\xff\xff"), "uid out of range"),
        (patched(156, b"Z"), "unknown type"),
        (patched(156, b"S"), "sparse"),
        (pax(b"5 a=b\n"), "malformed"),
        (pax(b"6 a=b\n"), ""),
        (pax(b"99 a=b\n"), "malformed"),
        (pax(b"6 ab-\n"), "malformed"),
        (pax(b"5 =b\n"), "malformed"),
        (pax(b"x a=b\n"), "without a length"),
        (pax(b"-6 a=b\n"), "without a length"),
        (pax(b"0 a=b\n"), "malformed"),
        (pax(b"99999999999 a=b\n"), "without a length"),
        (pax(b"11 path=a\0\n"), "NUL"),
        (pax(b"12 size=abc\n"), "number"),
        (pax(b"10 uid=-1\n"), "number"),
        (pax(b"12 mtime=1x\n"), "time"),
        (pax(b"22 GNU.sparse.major=1\n"), "sparse"),
        (pax(b"", size=1 << 30), "extended header of"),
        (pax(b"6 a=b\n")[:1024] + bytes(1024), "after an extended header"),
        (pax(b"6 a=b\n")[:1024], "after an extended header"),
        (bytes(512) + tar(("x", b"x")), "lone block"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_archive_error(data: bytes, message: str) -> None:
    if not message:
        read(data)
        return
    with pytest.raises(ArchiveError, match=message):
        read(data)


def test_errors_say_where() -> None:
    with pytest.raises(ArchiveError, match="at byte 1536"):
        read(tar(("a", b"x"))[:1024] + b"\1" * 512)


def test_a_global_header_a_million_times_stays_small() -> None:
    info = member("g", tarfile.XGLTYPE)
    records = b"".join(b"%d k%d=v\n" % (6 + len(str(i)), i) for i in range(10, 99))
    info.size = len(records)
    one = info.tobuf(tarfile.USTAR_FORMAT) + records + bytes(-len(records) % 512)
    tracemalloc.start()
    assert list(TarReader(one for _ in range(2000))) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


VALID = b"".join(
    tarwriter.stream(
        diff([directory("d"), file("d/f", b"hello", uid=1 << 22), file("é" * 60)], b"hello")
    )
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(VALID)),
    st.booleans(),
)
def test_damage_never_raises_anything_but_archive_errors(
    edits: list[tuple[int, int]], end: int, sign: bool
) -> None:
    data = bytearray(VALID)
    for at, value in edits:
        data[at] = value
    if sign:
        for at in range(0, len(data) - 1024, 512):
            block = data[at : at + 512]
            if block[257:262] == b"ustar":
                block[148:156] = b" " * 8
                data[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    with contextlib.suppress(ArchiveError):
        read(bytes(data[:end]))
