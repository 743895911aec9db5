import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.cache.actionresult import decode, encode, replaced
from mkbuild.cache.protocol import BlobRef

BLOBS = st.lists(
    st.builds(
        BlobRef,
        st.binary(max_size=3).map(digests.of),
        st.integers(0, 2**62),
        st.just("application/x"),
    ),
    max_size=3,
)


@given(st.binary(max_size=500), BLOBS)
def test_records_come_back(value: bytes, blobs: list[BlobRef]) -> None:
    assert decode(encode(value, blobs)) == value


@given(st.binary(max_size=500), st.binary(max_size=500), BLOBS)
def test_another_record_names_the_same_blobs(old: bytes, new: bytes, blobs: list[BlobRef]) -> None:
    assert replaced(encode(old, blobs), new) == encode(new, blobs)


def test_the_wire_format_is_that_of_an_action_result() -> None:
    digest = digests.of(b"blob")
    name = digests.hex_of(digest).encode()
    wrapped = b"\x0a\x40" + name + b"\x10\xac\x02"  # Digest: hash = 1, size_bytes = 2 (300)
    file = b"\x0a\x46blobs/" + name + b"\x12\x45" + wrapped  # OutputFile: path = 1, digest = 2
    expected = b"\x12" + b"\x8f\x01" + file + b"\x2a\x03abc"  # output_files = 2, stdout_raw = 5
    assert encode(b"abc", [BlobRef(digest, 300, "x")]) == expected


def test_fields_of_others_are_passed_over() -> None:
    others = b"\x20\x01" + b"\x39" + b"8" * 8 + b"\x45" + b"4" * 4 + b"\x4a\x02ab"
    assert decode(others + encode(b"abc", [])) == b"abc"


@given(st.binary(max_size=60))
def test_garbage_gives_a_value_error_or_a_value(data: bytes) -> None:
    try:
        assert decode(data) in data
    except ValueError:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x2a",
        b"\x2a\x05ab",
        b"\x80" * 11,
        b"\x2b\x00",
        b"\x20\x01",
        b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc",
    ],
)
def test_what_is_cut_short_or_strange_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="action result"):
        decode(data)
