"""What a state keeps of the files that are put into it."""

import hashlib
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from mkbuild.execute.place import Placer
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Settled, Source
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry

USERS = b"root:x:0:0::/root:/bin/sh\n"


@pytest.fixture(params=["bytes", "path", "settled"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    if request.param == "bytes":
        return USERS
    path = tmp_path / "users"
    path.write_bytes(USERS)
    return Settled(str(path), (0, 0, 0, 0, 0)) if request.param == "settled" else str(path)


def test_the_users_of_a_state_are_in_its_toc(source: Source) -> None:
    digest = hashlib.sha256(USERS).digest()
    placer = Placer(Index(), 0)
    placer.make_directories("etc", 0o755, (0, 0))
    entry = Entry("etc/passwd", toc.FILE, 0o644, size=len(USERS), content=digest)
    placer.put(entry, source)
    assert placer.finish().toc.embedded == {"etc/passwd": USERS}
    with pytest.raises(StepError, match="changed while it was being read"):
        placer.put(entry._replace(content=hashlib.sha256(b"").digest()), source)
