import hashlib
import threading
from collections.abc import Iterator

import pytest

from mkbuild.errors import ArchiveError
from mkbuild.snapshot.readahead import ReadAhead


def test_blocks_come_in_order_and_are_hashed() -> None:
    data = [bytes([n]) * n for n in range(1, 50)]
    with ReadAhead(iter(data)) as ahead:
        assert list(ahead) == data
        assert ahead.digest() == "sha256:" + hashlib.sha256(b"".join(data)).hexdigest()


def test_the_digest_covers_what_nobody_read() -> None:
    with ReadAhead(iter([b"a", b"b", b"c"])) as ahead:
        assert next(iter(ahead)) == b"a"
        assert ahead.digest() == "sha256:" + hashlib.sha256(b"abc").hexdigest()


def test_errors_come_where_the_blocks_are_read() -> None:
    def broken() -> Iterator[bytes]:
        yield b"a"
        raise ArchiveError("damaged")

    with ReadAhead(broken()) as ahead, pytest.raises(ArchiveError, match="damaged"):
        list(ahead)


def test_leaving_ends_the_thread_of_an_endless_source() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    before = threading.active_count()
    with ReadAhead(endless()) as ahead:
        next(iter(ahead))
    assert threading.active_count() == before
