"""Marking blobs as used."""

import os
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.store.files import FileStore
from mkbuild.store.use import use


def test_all_are_marked(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    some = [store.put(name.encode()) for name in ("a", "b")]
    for digest in some:
        os.utime(store.path(digest), (1, 1))
    assert use(str(tmp_path), some)
    for digest in some:
        last = store.last_use(digest)
        assert last is not None
        assert last[0] > 10**18


def test_one_that_is_not_there(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert not use(str(tmp_path), [store.put(b"a"), digests.of(b"b")])
    assert use(str(tmp_path), [])
