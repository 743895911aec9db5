"""Two machines that share their caches: what one has built, the other does not run."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from mkbuild.engine.build import plan
from mkbuild.progress.recorder import Recorder
from tests.support.computer import Computer, write
from tests.support.nginx import NginxServer
from tests.support.redis import RedisServer
from tests.support.registry import RealRegistry

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.redis, pytest.mark.nginx]


def redis_and_registry(request: pytest.FixtureRequest) -> tuple[str, str]:
    redis: RedisServer = request.getfixturevalue("redis")
    registry: RealRegistry = request.getfixturevalue("registry")
    scope = uuid4().hex
    return f"{{type: redis, url: '{redis.url}', scope: {scope}}}", f"{registry.address}/{scope}"


def http_alone(request: pytest.FixtureRequest) -> tuple[str, str]:
    nginx: NginxServer = request.getfixturevalue("nginx")
    return f"{{type: http, url: '{nginx.url}/{uuid4().hex}'}}", ""


def registry_alone(request: pytest.FixtureRequest) -> tuple[str, str]:
    registry: RealRegistry = request.getfixturevalue("registry")
    scope = uuid4().hex
    return f"{{type: registry, ref: '{registry.address}/{scope}/cache'}}", ""


Setting = Callable[[pytest.FixtureRequest], tuple[str, str]]


def workspace(directory: Path, remote: str) -> Path:
    shutil.copytree(ROOT / "examples" / "monorepo", directory)
    build_file = directory / "BUILD.yaml"
    build_file.write_text(build_file.read_text() + f"cache: {{remotes: [{remote}]}}\n")
    return directory


def planned(computer: Computer, directory: Path) -> set[str]:
    """Return what ``plan`` says would become of the steps."""
    found = plan(computer.request(directory, "all"), Recorder(lambda: 0.0))
    return {step.status for step in found.steps()}


@pytest.mark.parametrize("setting", [redis_and_registry, http_alone, registry_alone])
def test_a_second_workspace_runs_nothing(
    setting: Setting, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    remote, images = setting(request)
    flags = ("--var", f"REGISTRY={images}/monorepo") if images else ()
    push = ("--push",) if images else ()
    one, two = (
        Computer(tmp_path / name, flags, bases=("busybox", "debian")) for name in ("one", "two")
    )
    here, there = (workspace(tmp_path / name / "work", remote) for name in ("one", "two"))

    first = one.build(here, "all", *push)
    assert first.warnings == ()
    assert set(first.steps.values()) == {"ran"}

    assert planned(two, there) == {"hit-remote"}
    second = two.build(there, "all")
    assert second.warnings == ()
    assert second.ran() == set()
    assert second.digests == first.digests
    assert not any((two.store / "mkbuild" / "snapshots").glob("*/*"))

    # A tool that says the same otherwise: nothing that uses it runs again.
    command = edit(there, "@0", "@1")
    assert two.build(there, "all").ran() == {command}
    # One that says another thing: all that has it, but not the report, which has not.
    command = edit(there, "$(date -u -d @1 +%Y)", "2")
    assert two.build(there, "all").ran() == {
        command,
        "COPY --from=build /checksum /bin/checksum",
        "COPY --from=tool /bin/checksum /usr/local/bin/",
        "COPY --from=check /srv/stats.sh .",
        "COPY server.pl .",
        "COPY --from=assets --chown=app:app /srv/page.html .",
        "RUN perl -c server.pl && checksum /srv > /srv/SHA256SUMS",
    }


def edit(directory: Path, old: str, new: str) -> str:
    """Change the instruction in the middle of the tool's Dockerfile; returns it."""
    file = directory / "tool" / "Dockerfile"
    text = file.read_text().replace(old, new)
    file.write_text(text)
    return next(line for line in text.splitlines() if line.startswith("RUN"))


def test_what_is_pushed_is_accepted_and_outlives_the_registrys_garbage_collection(
    tmp_path: Path,
) -> None:
    work = write(
        tmp_path / "work",
        {
            "app/Dockerfile": "FROM busybox AS b\nRUN echo > /b\nFROM b\n"
            "RUN ln /b /c && rm /bin/ls\n"
        },
    )
    with RealRegistry(tmp_path / "registry") as registry:
        image = f"{registry.address}/app"
        remote = f"{{type: registry, ref: '{registry.address}/cache'}}"
        text = f"version: 1\nimages: {{app: {{context: app, tags: ['{image}']}}}}\n"
        write(work, {"BUILD.yaml": f"{text}cache: {{remotes: [{remote}]}}\n"})
        layout = tmp_path / "layout"
        output = f"type=oci,dest={layout},tar=false"
        first = Computer(tmp_path / "one").build(work, "app", "--push", "-o", output)
        assert first.warnings == ()
        pulled = tmp_path / "pulled"
        for source in (f"docker://{image}:latest", f"oci:{layout}:{image}"):
            command = ["skopeo", "copy", "-q", "--src-tls-verify=false", source]
            subprocess.run([*command, f"oci:{pulled}:x"], check=True)
            bundle = tmp_path / uuid4().hex
            subprocess.run(
                ["umoci", "unpack", "--image", f"{pulled}:x", str(bundle)],
                check=True,
                capture_output=True,
            )
            assert (bundle / "rootfs" / "b").samefile(bundle / "rootfs" / "c")
            assert not (bundle / "rootfs" / "bin" / "ls").exists()
        registry.garbage_collect()
        tree = tmp_path / "tree"
        second = Computer(tmp_path / "two").build(work, "app", "-o", f"type=local,dest={tree}")
        assert second.warnings == ()
        assert second.ran() == set()
        assert (tree / "c").exists()
