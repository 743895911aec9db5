import pytest

from mkbuild import digest as digests
from mkbuild.cache.transfer import check_pace, receive
from mkbuild.store.memory import MemoryBlobStore

DATA = b"0123456789"
DIGEST = digests.of(DATA)


def test_chunks_become_a_blob() -> None:
    store = MemoryBlobStore()
    receive(DIGEST, 10, [DATA[:4], b"", DATA[4:]], store)
    assert store.read(DIGEST) == DATA


@pytest.mark.parametrize("data", [b"", DATA[:9], DATA[::-1]])
def test_other_bytes_are_refused(data: bytes) -> None:
    store = MemoryBlobStore()
    with pytest.raises(ValueError, match="wrong bytes"):
        receive(DIGEST, 10, [data], store)
    assert list(store) == []


def test_what_does_not_end_is_given_up() -> None:
    with pytest.raises(ValueError, match="more than 10 bytes"):
        receive(DIGEST, 10, iter(lambda: b"x", b""), MemoryBlobStore())


def test_pace() -> None:
    check_pace(0, 3.9)
    check_pace(200_000, 6.0)
    with pytest.raises(OSError, match="too slow: 0 bytes"):
        check_pace(0, 4.1)
    with pytest.raises(OSError, match="too slow: 100000 bytes in 6 s"):
        check_pace(100_000, 6.0)
