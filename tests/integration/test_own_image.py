"""mkbuild's own image in a container as a rootless pod has it: somebody else than root builds."""

import json
import shutil
from pathlib import Path

import pytest

from tests.support.bases import bases
from tests.support.command import Mkbuild, registries
from tests.support.container import Container, copied
from tests.support.static import build_own

pytestmark = pytest.mark.root

USER = 1000
DOCKERFILE = """\
FROM busybox:stable
RUN echo made > /file && chown 7:8 /file && test "$(id -u)" = 0
USER 7
RUN id -u > /tmp/who
"""


def test_it_builds_as_a_user_what_root_builds(tmp_path: Path) -> None:
    place, work = tmp_path / "image", tmp_path / "work"
    place.mkdir()
    (work / "context").mkdir(parents=True)
    (work / "context" / "Dockerfile").write_text(DOCKERFILE)
    mirrors = {"docker.io": {"mirrors": ["oci-layout:/bases"]}}
    (work / "registries.json").write_text(json.dumps(mirrors))
    shutil.chown(work, USER, USER)
    bundle = build_own(place, "docker/Dockerfile")
    process = json.loads((bundle / "config.json").read_bytes())["process"]
    assert process["user"]["uid"] == USER
    assert process["args"] == ["mkbuild", "--help"]
    with copied(bundle, {"/io": work, "/bases": bases("busybox")}) as made:
        pod = Container(made.bundle, made.mounts, user=USER, confined=False)
        flags = ["--storage", "/io/store", "--registries", "/io/registries.json"]
        done = pod.run(
            ["mkbuild", "build", "./context", "-v", "--metadata-file", "/io/metadata", *flags],
            [*process["env"], "HOME=/home/build"],
            "/io",
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "debug: user namespace, ranges: ranges of build in /etc/subuid" in done.stderr
    [inside] = json.loads((work / "metadata").read_bytes()).values()
    tool = Mkbuild(work, tmp_path / "store", registries(tmp_path))
    [outside] = tool.build("./context").values()
    assert inside["containerimage.digest"] == outside["containerimage.digest"]
