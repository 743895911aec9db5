"""What a build takes in may be made to harm: a clear error at once, nothing outside touched."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Mkbuild, registries

pytestmark = pytest.mark.root


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    (tmp_path / "work").mkdir()
    return Mkbuild(tmp_path / "work", tmp_path / "store", registries(tmp_path))


def refused(mkbuild: Mkbuild, *arguments: str, status: int) -> str:
    """Build, which must fail with a status, and be no internal error; returns what is said."""
    done = mkbuild.run("build", *arguments)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def layout(place: Path, config: dict[str, Any]) -> Path:
    """Write an OCI layout of one image with one empty layer; ``config`` is what it says of RUN."""
    blobs = place / "blobs/sha256"
    blobs.mkdir(parents=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w"):
        pass

    def put(data: bytes, kind: str) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        media = f"application/vnd.oci.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    layer = put(buffer.getvalue(), "layer.v1.tar")
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }
    described = put(json.dumps(document).encode(), "config.v1+json")
    manifest = {"schemaVersion": 2, "config": described, "layers": [layer]}
    image = put(json.dumps(manifest).encode(), "manifest.v1+json")
    (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [image]}))
    return place


@pytest.mark.parametrize(
    ("directory", "why"), [("/a\0b", "NUL"), ("/" + "a" * 300, "300 bytes")], ids=["nul", "long"]
)
def test_working_directories_of_bases(
    mkbuild: Mkbuild, tmp_path: Path, directory: str, why: str
) -> None:
    (mkbuild.directory / "Dockerfile").write_text('FROM base\nRUN ["/none"]\n')
    place = layout(tmp_path / "layout", {"WorkingDir": directory})
    base = f"base=oci-layout://{place}"
    assert why in refused(mkbuild, ".", "--build-context", base, status=1)


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_links_to_what_never_ends(mkbuild: Mkbuild, name: str) -> None:
    (mkbuild.directory / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (mkbuild.directory / name).unlink(missing_ok=True)
    (mkbuild.directory / name).symlink_to("/dev/zero")
    assert "it is larger than" in refused(mkbuild, ".", status=2)


@pytest.mark.parametrize(
    "plan", ["[" * 100_000, '{"version": 1, "targets": [[5]]}', '{"version": 1}']
)
def test_plans_that_are_none(mkbuild: Mkbuild, plan: str) -> None:
    (mkbuild.directory / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (mkbuild.directory / "plan.json").write_text(plan)
    assert "plan" in refused(mkbuild, ".", "--plan", "plan.json", status=2)


def test_a_secret_without_an_end(mkbuild: Mkbuild) -> None:
    (mkbuild.directory / "Dockerfile").write_text(
        "FROM busybox\nRUN --mount=type=secret,id=s,required cat /run/secrets/s\n"
    )
    said = refused(mkbuild, ".", "--secret", "id=s,src=/dev/zero", status=1)
    assert "it is larger than" in said


def test_a_pattern_of_included_files_from_the_root(mkbuild: Mkbuild) -> None:
    (mkbuild.directory / "BUILD.yaml").write_text("version: 1\ninclude: ['/**/B.yaml']\n")
    assert "counts from the build file's directory" in refused(mkbuild, "x", status=2)


def test_compose_files_that_grow(mkbuild: Mkbuild) -> None:
    bare = Mkbuild(mkbuild.directory, mkbuild.storage)
    grow = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12))
    for text in ("[" * 100_000, f"a0: &a0 [x]\n{grow}services: {{x: {{build: {{args: *a11}}}}}}\n"):
        (mkbuild.directory / "compose.yaml").write_text(text)
        done = bare.run("init", "--from", "compose")
        assert done.returncode == 2, done.stderr
        assert "cannot read compose.yaml" in done.stderr


@pytest.mark.parametrize(
    "target", ["/proc/self/cwd/x", "/proc/self/root/x", "/dev/fd/3/x", "/cwd/x", "/proc/self/fd/0"]
)
@pytest.mark.parametrize("sandbox", ["namespace", "chroot"])
def test_mounts_through_links_of_the_kernel(mkbuild: Mkbuild, target: str, sandbox: str) -> None:
    # they told of this machine's directories, which were then made in the image
    (mkbuild.directory / "Dockerfile").write_text(
        "FROM busybox\nRUN ln -s /proc/self/cwd /cwd\n"
        f"RUN --mount=type=tmpfs,target={target} true\n"
    )
    said = refused(mkbuild, ".", "--sandbox", sandbox, status=1)
    assert "a link of the kernel's" in said
