"""Whether a storage is new."""

import time
from pathlib import Path

from mkbuild.buildfile.target import CacheSettings
from mkbuild.engine.session import Session, is_new
from mkbuild.progress.recorder import Recorder


def test_a_storage_is_new_until_something_is_known(tmp_path: Path) -> None:
    storage = tmp_path / "store"
    assert is_new(storage)
    with Session(storage, Recorder(time.time), CacheSettings()) as session:
        assert is_new(storage)
        assert session.known.get_many(["ref.x"]) == {}
    assert not is_new(storage)
