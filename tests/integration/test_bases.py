"""The base images that scripts/bases.py makes."""

import hashlib
import json
import subprocess
from pathlib import Path

from scripts.bases import make
from tests.support.machine import find


def digests(layout: Path) -> list[str]:
    return sorted(path.name for path in (layout / "blobs" / "sha256").iterdir())


def test_busybox_is_the_same_each_time(tmp_path: Path) -> None:
    first = make(tmp_path / "one", ["busybox"]) / "library" / "busybox"
    second = make(tmp_path / "two", ["busybox"]) / "library" / "busybox"
    assert digests(first) == digests(second)
    for name in digests(first):
        data = (first / "blobs" / "sha256" / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == name


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    layout = make(tmp_path, ["busybox"]) / "library" / "busybox"
    before = layout.stat()
    make(tmp_path, ["busybox"])
    assert layout.stat() == before


def test_skopeo_reads_it(tmp_path: Path) -> None:
    layout = make(tmp_path, ["busybox"]) / "library" / "busybox"
    skopeo = find("skopeo")
    assert skopeo, "scripts/test installs it"
    done = subprocess.run(
        [skopeo, "inspect", f"oci:{layout}:stable"], check=True, capture_output=True, text=True
    )
    assert json.loads(done.stdout)["Os"] == "linux"
