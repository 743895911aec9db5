"""Base layers that are unpacked while they arrive."""

import io
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.action import StateID
from mkbuild.engine.layers import FetchBase
from mkbuild.errors import PullError
from mkbuild.execute.states import BaseLayer, States
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor
from mkbuild.store.files import FileStore
from mkbuild.store.protocol import BlobSink
from tests.support.states import open_states


def tar(names: Sequence[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = 3
            archive.addfile(info, io.BytesIO(b"abc"))
    return buffer.getvalue()


LAYER = tar(["etc/motd", "usr/tool"])
OTHER = tar(["etc/evil", "usr/tool"])
STATE = StateID("sha256:" + "1" * 64)


OpenStates = Callable[[FetchBase], States]


@pytest.fixture
def opened(tmp_path: Path) -> OpenStates:
    def make(fetch: FetchBase) -> States:
        states = open_states(tmp_path, fetch)
        blob = Descriptor(mediatype.OCI_LAYER, digests.of(LAYER), len(LAYER))
        states.add_base(STATE, (BaseLayer(digests.of(LAYER), blob),))
        return states

    return make


def files(tree: Path) -> list[str]:
    return sorted(str(path.relative_to(tree)) for path in tree.rglob("*") if path.is_file())


def fetch(descriptor: Descriptor, into: BlobSink) -> None:
    with into.writer() as blob:
        blob.write(LAYER)
        blob.commit(descriptor.digest)


@pytest.mark.parametrize("first", [OTHER, OTHER[:1024], b"no tar at all" * 100, b""])
def test_nothing_stays_of_a_source_that_gave_out(opened: OpenStates, first: bytes) -> None:
    def second_try(descriptor: Descriptor, into: BlobSink) -> None:
        with into.writer() as blob:
            blob.write(first)
        fetch(descriptor, into)

    states = opened(second_try)
    (tree,) = states.trees(STATE)
    assert files(tree) == ["etc/motd", "usr/tool"]
    assert "etc/motd" in states.index(STATE)
    assert "etc/evil" not in states.index(STATE)


def test_a_toc_alone_from_a_source_that_gave_out(opened: OpenStates) -> None:
    def second_try(descriptor: Descriptor, into: BlobSink) -> None:
        with into.writer() as blob:
            blob.write(OTHER)
        fetch(descriptor, into)

    assert "etc/motd" in opened(second_try).index(STATE)


def test_other_bytes_leave_nothing(opened: OpenStates) -> None:
    def lie(descriptor: Descriptor, into: BlobSink) -> None:
        with into.writer() as blob:
            blob.write(OTHER)
            try:
                blob.commit(descriptor.digest)
            except Exception as error:
                raise PullError("other bytes") from error

    states = opened(lie)
    with pytest.raises(PullError, match="other bytes"):
        states.trees(STATE)
    assert not list(states.tree_store)
    assert not list(states.tree_store.root.rglob("evil"))
    assert not list(FileStore(states.tree_store.root.parent / "store"))


def test_a_layer_that_was_brought_meanwhile(opened: OpenStates) -> None:
    states = opened(lambda descriptor, _: fetch(descriptor, states.store))
    (tree,) = states.trees(STATE)
    assert files(tree) == ["etc/motd", "usr/tool"]
