import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.cache.signing import HmacSigner

KEY = b"0123456789abcdef"
SIGNER = HmacSigner(KEY)


@given(st.text(), st.binary())
def test_signed_values_come_back(name: str, value: bytes) -> None:
    assert SIGNER.verify(name, SIGNER.sign(name, value)) == value


@given(st.binary(), st.data())
def test_any_change_makes_a_signature_invalid(value: bytes, data: st.DataObject) -> None:
    signed = bytearray(SIGNER.sign("step-main-1", value))
    position = data.draw(st.integers(0, len(signed) - 1))
    signed[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match="no valid signature"):
        SIGNER.verify("step-main-1", bytes(signed))


@pytest.mark.parametrize("name", ["step-main-2", "step-pr-1", "layer-main-1", ""])
def test_an_entry_cannot_be_moved(name: str) -> None:
    signed = SIGNER.sign("step-main-1", b"value")
    with pytest.raises(ValueError, match="no valid signature"):
        SIGNER.verify(name, signed)


def test_name_and_value_do_not_run_into_each_other() -> None:
    one = SIGNER.sign("ab", b"c").rpartition(b"\n")[2]
    other = SIGNER.sign("a", b"bc").rpartition(b"\n")[2]
    assert one != other


@given(st.binary())
def test_garbage_has_no_signature(data: bytes) -> None:
    with pytest.raises(ValueError, match="no valid signature"):
        SIGNER.verify("name", data)


def test_another_key_is_not_believed() -> None:
    with pytest.raises(ValueError, match="no valid signature"):
        HmacSigner(KEY[::-1]).verify("name", SIGNER.sign("name", b"value"))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        HmacSigner(b"secret")


def test_golden_signature() -> None:
    signature = "9fc9335bdc73782964e1143ee03e378c94fae0b5b0a63bbb0c1d70ca562fcce8"
    assert SIGNER.sign("step-1", b"value") == b"value\n" + signature.encode()
