"""``mkbuild plan`` on a real store."""

import json
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries

BUILD = "version: 1\nimages: {app: {context: ., compression: %s}}\n"


@pytest.mark.root
@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_a_step_tells_the_size_of_its_layer(tmp_path: Path, compression: str) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(BUILD % compression)
    (work / "Dockerfile").write_text("FROM busybox:stable\nCOPY file /\n")
    (work / "file").write_text("words " * 9000)
    mkbuild = Mkbuild(work, tmp_path / "store", registries(tmp_path))
    [report] = mkbuild.build("app").values()
    [planned] = json.loads(mkbuild.run("plan", "--json").stdout)["targets"]["app"]
    [ran] = report["steps"]
    [layer] = (tmp_path / "store" / "blobs").rglob(f"*{ran['layer'][-60:]}")
    assert planned["bytes"] == layer.stat().st_size
