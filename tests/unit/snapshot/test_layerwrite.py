import gzip
import hashlib
import io
import os
import random
import tracemalloc
from pathlib import Path

import isal
import pytest
import zstandard

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.oci import mediatype
from mkbuild.snapshot import tarwriter
from mkbuild.snapshot.layerread import unpack
from mkbuild.snapshot.layerwrite import Compression, named, write_layer
from mkbuild.store.files import FileStore
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.tocs import get_toc
from tests.support.trees import diff, directory, file

SMALL = diff([directory("d", mtime=1), file("d/f", b"hello\n" * 100, mtime=2)], b"hello\n" * 100)
_BYTES = random.Random(1).randbytes(300_000) + b"words " * 500_000
LARGE = diff([file("big", _BYTES), file("small", b"s")], _BYTES, b"s")

WORDS = ["none", "no", "gzip", "default", "speed", "size", "zstd", "zstd-speed", "zstd-size"]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("made", [SMALL, LARGE, diff([])], ids=["small", "large", "empty"])
def test_a_layer_reads_back_as_its_diff(word: str, made: Diff) -> None:
    store = MemoryBlobStore()
    record = write_layer(made, store, named(word))
    tar = b"".join(tarwriter.stream(made))
    blob = store.read(record.digest)
    assert record.size == len(blob)
    assert record.diff_id == "sha256:" + hashlib.sha256(tar).hexdigest()
    content, diff_id = unpack(io.BytesIO(blob), None)
    assert (content.toc, diff_id) == (made.toc, record.diff_id)
    assert get_toc(store, record.toc, contents=True) == made.toc


@pytest.mark.parametrize(
    ("word", "media_type"),
    [
        ("none", mediatype.OCI_LAYER),
        ("gzip", mediatype.OCI_LAYER_GZIP),
        ("size", mediatype.OCI_LAYER_GZIP),
        ("zstd", mediatype.OCI_LAYER_ZSTD),
    ],
)
def test_media_types_say_how_it_is_compressed(word: str, media_type: str) -> None:
    assert write_layer(SMALL, MemoryBlobStore(), named(word)).media_type == media_type


@pytest.mark.parametrize("word", ["gzip", "speed", "size"])
def test_other_gzips_read_it(word: str) -> None:
    store = MemoryBlobStore()
    record = write_layer(LARGE, store, named(word))
    tar = b"".join(tarwriter.stream(LARGE))
    assert gzip.decompress(store.read(record.digest)) == tar


def test_other_zstds_read_it() -> None:
    store = MemoryBlobStore()
    record = write_layer(LARGE, store, named("zstd"))
    reader = zstandard.ZstdDecompressor().stream_reader(store.read(record.digest))
    assert reader.read() == b"".join(tarwriter.stream(LARGE))


@pytest.mark.parametrize("word", ["gzip", "size"])
def test_the_bytes_do_not_depend_on_the_number_of_threads(word: str) -> None:
    blobs = {
        write_layer(LARGE, MemoryBlobStore(), named(word), threads=threads).digest
        for threads in (1, 2, 5)
    }
    assert len(blobs) == 1


def test_the_diff_id_is_pinned() -> None:
    record = write_layer(SMALL, MemoryBlobStore(), Compression())
    assert (
        record.diff_id == "sha256:3c2eafe296e778d5673b3223f8c4ec122bb791c79588085e06b00baaa72e626d"
    )


def test_the_blob_is_pinned_for_this_isal() -> None:
    if not isal.__version__.startswith("1.9."):
        pytest.skip("pinned for isal 1.9")  # pragma: no cover -- other versions, other bytes
    record = write_layer(SMALL, MemoryBlobStore(), Compression())
    assert (
        record.digest == "sha256:dba56da6f25ad69ec8a306f5743294a48ffa61687a0f82fb30616b6dcd963e2f"
    )


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="one of none, no, gzip"):
        named("best")


@pytest.mark.parametrize("word", ["none", "gzip", "zstd"])
def test_a_source_that_changed_leaves_no_layer(tmp_path: Path, word: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"changed")
    entry = file("f", b"content")
    store = MemoryBlobStore()
    assert entry.content is not None
    with pytest.raises(StepError, match="changed"):
        write_layer(Diff(toc.make([entry]), {entry.content: str(path)}), store, named(word))
    assert list(store) == []


@pytest.mark.parametrize("word", ["gzip", "zstd"])
def test_large_files_need_little_memory(tmp_path: Path, word: str) -> None:
    path = tmp_path / "f"
    data = os.urandom(1 << 20)
    hashed = hashlib.sha256()
    with path.open("wb") as out:
        for _ in range(48):
            out.write(data)
            hashed.update(data)
    entry = file("f")._replace(size=48 << 20, content=hashed.digest())

    store = FileStore(tmp_path / "store")
    tracemalloc.start()
    write_layer(Diff(toc.make([entry]), {hashed.digest(): str(path)}), store, named(word))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20
