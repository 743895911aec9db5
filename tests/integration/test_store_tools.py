"""What is written is read by other tools, and what they write is read here."""

import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Manifest
from mkbuild.store import dockerarchive, layout
from mkbuild.store.files import FileStore
from mkbuild.store.layout import Layout, LayoutImage
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.temp import sweep
from tests.support.configs import with_layers

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")


def make(store: MemoryBlobStore) -> Manifest:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("hello")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"world"))
    data = gzip.compress(buffer.getvalue(), mtime=0)
    config = with_layers(ImageConfig(), buffer.getvalue()).to_json()
    store.put(config)
    return mutate.manifest(
        config, [Descriptor(mediatype.OCI_LAYER_GZIP, store.put(data), len(data))]
    )


def skopeo(*arguments: str) -> bytes:
    return subprocess.run(["skopeo", *arguments], check=True, capture_output=True).stdout


@needs_skopeo
def test_skopeo_reads_every_form(tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store)
    named = LayoutImage(image, ("tag",))
    layout.write_directory(tmp_path / "dir", [named], store)
    with (tmp_path / "oci.tar").open("wb") as stream:
        layout.write_tar(stream, [named], store)
    with (tmp_path / "docker.tar").open("wb") as stream:
        dockerarchive.write(stream, [LayoutImage(image, ("localhost/x:tag",))], store)
    for source in (f"oci:{tmp_path}/dir:tag", f"oci-archive:{tmp_path}/oci.tar:tag"):
        assert json.loads(skopeo("inspect", source))["Digest"] == image.digest
    for source in (
        f"docker-archive:{tmp_path}/docker.tar",
        f"docker-archive:{tmp_path}/docker.tar:localhost/x:tag",
    ):
        config = json.loads(skopeo("inspect", "--config", source))
        assert config["rootfs"]["diff_ids"] == list(
            ImageConfig.parse(store.read(image.config.digest)).diff_ids
        )


@needs_skopeo
def test_skopeos_archives_are_read(tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store)
    layout.write_directory(tmp_path / "dir", [LayoutImage(image, ("tag",))], store)
    source = f"oci:{tmp_path}/dir:tag"
    skopeo("copy", "-q", source, f"docker-archive:{tmp_path}/d.tar:localhost/x:tag")
    (found,) = dockerarchive.read(tmp_path / "d.tar", MemoryBlobStore())
    assert found.names == ("localhost/x:tag",)
    assert found.config.diff_ids == ImageConfig.parse(store.read(image.config.digest)).diff_ids
    skopeo("copy", "-q", source, f"oci:{tmp_path}/copy:other")
    assert Layout(tmp_path / "copy").resolve("other").digest == image.digest


# Writes blobs for ever; says when the first one is half written.
WRITER = """
import sys
from pathlib import Path
from mkbuild.store.files import FileStore
store = FileStore(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    with store.writer() as blob:
        blob.write(b"%d" % number * 50_000)
        print("half", flush=True)
        blob.write(b"%d" % number * 50_000)
        blob.commit()
"""


@pytest.mark.parametrize("lines", [1, 2, 7, 20])
def test_killed_at_any_point_a_blob_is_whole_or_absent(tmp_path: Path, lines: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    for _ in range(lines):
        assert process.stdout.readline() == "half\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    store = FileStore(tmp_path)
    found = list(store)
    assert len(found) >= lines - 1
    for digest in found:
        assert digests.of(store.path(digest).read_bytes()) == digest
    sweep(tmp_path)
    assert list((tmp_path / "tmp").iterdir()) == []
