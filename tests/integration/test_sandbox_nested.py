"""Inside a container as docker makes it: no user namespace, no mounts; the container's own root."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sandbox_users import HOST_USR, ROOT, host_root, make_user, public_directory


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from public_directory()


@pytest.mark.root
def test_chroot_is_taken_and_works_on_the_containers_root(tmp_path: Path) -> None:
    user = make_user("root", tmp_path)
    source = str(ROOT / "mkbuild")
    mounts = [HOST_USR, {"type": "bind", "target": "/opt/mkbuild", "source": source}]
    script = (ROOT / "tests/support/nested.py").read_bytes()
    lower = host_root(tmp_path / "lower")
    (lower / "run").mkdir()
    (lower / "tmp").mkdir()
    argv = ["/usr/bin/python3", "-IB", "-"]
    result = user.run(lower, argv, mounts=mounts, stdin=script)
    assert (result.error, result.status) == ("", 0), result
    found = json.loads(result.out)
    assert "the kernel refuses a user namespace" in found.pop("refused")
    assert found.pop("reason").startswith("namespaces do not work: ")
    assert found == {
        "entered": False,
        "chosen": "chroot",
        "root": "3 canary",
        "left": [],
        "daemon": "0 started\n",
    }
    assert (user.upper / "made").read_text() == "new\n"
