"""Step results, layers and TOC records as bytes, and back; what is not ours is a ValueError.

A record is one line ``<kind> <checksum>`` and a line of canonical JSON. The checksum is no
protection against malice (that is :mod:`mkbuild.cache.signing`), but makes a miss of what a store
cut short or mixed up.
"""

import base64
import hashlib
import json
from typing import Any, TypeVar, assert_never

from mkbuild import digest as digests
from mkbuild.action import LayerRecord, StateID, StepResult
from mkbuild.cache.tocs import Inline, Packed, Stored, TocRecord
from mkbuild.digest import Digest
from mkbuild.store.tocs import TocParts

_STEP, _LAYER, _TOC = b"mkbuild.step.v1", b"mkbuild.layer.v1", b"mkbuild.toc.v1"
_BASE = b"mkbuild.base.v1"
_T = TypeVar("_T")
_MAX_SIZE = 1 << 50


def encode_step(result: StepResult) -> bytes:
    """Encode a step result; equal results (in all but their seconds) differ in nothing else."""
    return _pack(
        _STEP,
        {
            "inputs": list(result.inputs),
            "lossy": result.lossy,
            "seconds": round(result.seconds, 3),
            "state": result.state,
            "toc": result.toc,
        },
    )


def decode_step(data: bytes) -> StepResult:
    """Decode a step result; raises ValueError."""
    fields = _unpack(_STEP, data, {"inputs", "lossy", "seconds", "state", "toc"})
    toc = fields["toc"]
    return StepResult(
        inputs=tuple(map(_state, _typed(fields["inputs"], list))),
        state=_state(fields["state"]),
        toc=None if toc is None else _digest(toc),
        lossy=_typed(fields["lossy"], bool),
        seconds=float(_typed(fields["seconds"], (int, float))),
    )


def encode_layer(layer: LayerRecord) -> bytes:
    """Encode a layer record."""
    return _pack(
        _LAYER,
        {
            "diff_id": layer.diff_id,
            "digest": layer.digest,
            "media_type": layer.media_type,
            "size": layer.size,
            "toc": layer.toc,
        },
    )


def decode_layer(data: bytes) -> LayerRecord:
    """Decode a layer record; raises ValueError."""
    fields = _unpack(_LAYER, data, {"diff_id", "digest", "media_type", "size", "toc"})
    return LayerRecord(
        digest=_digest(fields["digest"]),
        size=_size(fields["size"]),
        media_type=_typed(fields["media_type"], str),
        diff_id=_digest(fields["diff_id"]),
        toc=_digest(fields["toc"]),
    )


def encode_base(toc: Digest) -> bytes:
    """Encode which TOC a base layer has."""
    return _pack(_BASE, {"toc": toc})


def decode_base(data: bytes) -> Digest:
    """Decode which TOC a base layer has; raises ValueError."""
    return _digest(_unpack(_BASE, data, {"toc"})["toc"])


def encode_toc(record: TocRecord) -> bytes:
    """Encode a TOC record."""
    return _pack(
        _TOC,
        {
            "contents": record.parts.contents,
            "packed_contents": _encode_packed(record.contents),
            "packed_structure": _encode_packed(record.structure),
            "structure": record.parts.structure,
        },
    )


def decode_toc(data: bytes) -> TocRecord:
    """Decode a TOC record; raises ValueError."""
    names = {"structure", "contents", "packed_structure", "packed_contents"}
    fields = _unpack(_TOC, data, names)
    return TocRecord(
        TocParts(_digest(fields["structure"]), _digest(fields["contents"])),
        _decode_packed(fields["packed_structure"]),
        _decode_packed(fields["packed_contents"]),
    )


def _encode_packed(part: Packed) -> object:
    match part:
        case Inline(data):
            return base64.b64encode(data).decode()
        case Stored(digest, size):
            return [digest, size]
        case _:
            assert_never(part)


def _decode_packed(value: object) -> Packed:
    match value:
        case str():
            return Inline(base64.b64decode(value, validate=True))
        case [digest, size]:
            return Stored(_digest(digest), _size(size))
        case _:
            message = "a part of a TOC that is nowhere"
            raise ValueError(message)


def _pack(kind: bytes, fields: dict[str, object]) -> bytes:
    body = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return b"%b %b\n%b" % (kind, _checksum(body), body)


def _unpack(kind: bytes, data: bytes, names: set[str]) -> dict[str, Any]:
    head, _, body = data.partition(b"\n")
    if head != kind + b" " + _checksum(body):
        message = f"not a record of kind {kind.decode()}"
        raise ValueError(message)
    fields = json.loads(body)
    if not isinstance(fields, dict) or fields.keys() != names:
        message = "a record with other members"
        raise ValueError(message)
    return fields


def _checksum(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


def _typed(value: object, types: type[_T] | tuple[type[_T], ...]) -> _T:
    # A bool is an int to isinstance, but never where a number is meant.
    if not isinstance(value, types) or (isinstance(value, bool) and types is not bool):
        message = f"a member of another type: {type(value).__name__}"
        raise ValueError(message)
    return value


def _digest(value: object) -> Digest:
    return digests.parse(_typed(value, str))


def _size(value: object) -> int:
    size = _typed(value, int)
    if not 0 <= size <= _MAX_SIZE:
        message = f"a blob of {size} bytes"
        raise ValueError(message)
    return size


def _state(value: object) -> StateID:
    return StateID(_digest(value))
