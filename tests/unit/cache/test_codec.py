import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.action import LayerRecord, StateID, StepResult
from mkbuild.cache import codec
from mkbuild.cache.codec import decode_layer, decode_step, encode_layer, encode_step

DIGESTS = st.binary(min_size=1, max_size=4).map(digests.of)
STATES = DIGESTS.map(StateID)
STEPS = st.builds(
    StepResult,
    inputs=st.lists(STATES, max_size=4).map(tuple),
    state=STATES,
    toc=st.none() | DIGESTS,
    lossy=st.booleans(),
    seconds=st.integers(0, 10**7).map(lambda ms: ms / 1000),
)
LAYERS = st.builds(
    LayerRecord,
    digest=DIGESTS,
    size=st.integers(0, 1 << 50),
    media_type=st.text(max_size=30),
    diff_id=DIGESTS,
    toc=DIGESTS,
)


@given(STEPS)
def test_steps_come_back(step: StepResult) -> None:
    again = decode_step(encode_step(step))
    assert again == step
    assert again.seconds == step.seconds


@given(LAYERS)
def test_layers_come_back(layer: LayerRecord) -> None:
    assert decode_layer(encode_layer(layer)) == layer


@given(STEPS, st.data())
def test_any_changed_byte_is_refused(step: StepResult, data: st.DataObject) -> None:
    encoded = bytearray(encode_step(step))
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"."):
        decode_step(bytes(encoded))


@given(STEPS, st.data())
def test_a_record_cut_short_is_refused(step: StepResult, data: st.DataObject) -> None:
    encoded = encode_step(step)
    with pytest.raises(ValueError, match="not a record"):
        decode_step(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary())
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_step(data)
    with pytest.raises(ValueError, match=r"."):
        decode_layer(data)


@given(STEPS, LAYERS)
def test_kinds_are_not_mixed_up(step: StepResult, layer: LayerRecord) -> None:
    with pytest.raises(ValueError, match="not a record of kind"):
        decode_layer(encode_step(step))
    with pytest.raises(ValueError, match="not a record of kind"):
        decode_step(encode_layer(layer))


GOOD = {
    "inputs": [digests.of(b"a")],
    "lossy": False,
    "seconds": 1.5,
    "state": digests.of(b"b"),
    "toc": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": "x"},
        {"inputs": ["../../etc/passwd"]},
        {"inputs": [1]},
        {"state": "sha256:ABC"},
        {"state": None},
        {"toc": "sha256:../../x"},
        {"toc": 5},
        {"lossy": 1},
        {"seconds": True},
        {"seconds": "1"},
        {"more": 1},
    ],
)
def test_a_well_formed_record_with_impossible_members_is_refused(change: dict[str, object]) -> None:
    assert decode_step(codec._pack(b"mkbuild.step.v1", dict(GOOD))).seconds == 1.5
    with pytest.raises(ValueError, match=r"."):
        decode_step(codec._pack(b"mkbuild.step.v1", {**GOOD, **change}))


def test_golden_bytes() -> None:
    step = StepResult((StateID(digests.of(b"a")),), StateID(digests.of(b"b")), None, seconds=0.25)
    assert encode_step(step) == (
        b"mkbuild.step.v1 1a68c85147c832ef\n"
        b'{"inputs":["sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"],'
        b'"lossy":false,"seconds":0.25,'
        b'"state":"sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",'
        b'"toc":null}'
    )
