"""The value of an ``/ac/`` entry: an ActionResult of Bazel's Remote Execution API, version 2.

Servers check what is put there, and keep the blobs that it names as long as the entry
(build/bazel/remote/execution/v2/remote_execution.proto). Only these fields are written:
``output_files = 2`` (OutputFile: ``path = 1``, ``digest = 2``; Digest: ``hash = 1``,
``size_bytes = 2``) and ``stdout_raw = 5``, which holds our record. Protocol buffers' wire format
is simple enough to need no library for that.
"""

from collections.abc import Iterator, Sequence

from mkbuild import digest as digests
from mkbuild.cache.protocol import BlobRef

_OUTPUT_FILES, _STDOUT_RAW = 2, 5
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT = 10


def encode(value: bytes, blobs: Sequence[BlobRef]) -> bytes:
    """Wrap a record."""
    return b"".join(_field(_OUTPUT_FILES, _file(blob)) for blob in blobs) + _field(
        _STDOUT_RAW, value
    )


def decode(data: bytes) -> bytes:
    """Unwrap a record; ValueError for what is no ActionResult, or one of somebody else's."""
    for number, value in _fields(data):
        if number == _STDOUT_RAW:
            return value
    message = "an action result without our record"
    raise ValueError(message)


def replaced(data: bytes, value: bytes) -> bytes:
    """Return an action result with another record, naming the same blobs."""
    files = [_field(number, field) for number, field in _fields(data) if number == _OUTPUT_FILES]
    return b"".join(files) + _field(_STDOUT_RAW, value)


def _file(blob: BlobRef) -> bytes:
    hex_digits = digests.hex_of(blob.digest)
    digest = _field(1, hex_digits.encode())
    if blob.size:  # proto3 leaves out what is zero
        digest += _varint(2 << 3 | _VARINT) + _varint(blob.size)
    return _field(1, f"blobs/{hex_digits}".encode()) + _field(2, digest)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:  # noqa: PLR2004 -- seven bits a byte
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for count in range(_MAX_VARINT):
        if position + count >= len(data):
            break
        byte = data[position + count]
        number |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 -- the top bit says that more follows
            return number, position + count + 1
    message = "an action result that is cut short"
    raise ValueError(message)


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the length-delimited fields of a message; others are passed over."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        kind = tag & 7
        if kind == _VARINT:
            _, position = _read_varint(data, position)
            continue
        if kind == _BYTES:
            length, position = _read_varint(data, position)
        elif kind in {_FIXED64, _FIXED32}:
            length = 8 if kind == _FIXED64 else 4
        else:
            message = "an action result with an unknown wire type"
            raise ValueError(message)
        if position + length > len(data):
            message = "an action result that is cut short"
            raise ValueError(message)
        if kind == _BYTES:
            yield tag >> 3, data[position : position + length]
        position += length
