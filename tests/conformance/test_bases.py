"""Bases of all kinds: what their configs hold, how their layers are packed, which platform it is."""

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.conformance.case import Bench, Case
from tests.support import images
from tests.support.trees import member, tar

pytestmark = pytest.mark.root

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution.manifest"
LAYER = tar(member("d", tarfile.DIRTYPE, mode=0o2750, uid=3, gid=4), ("d/f", b"f"), ("g", b"g"))
PLAIN = {"d": "d 2750 3:4", "d/f": "f 644 0:0 f", "g": "f 644 0:0 g"}

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "": bytes,
}


class Layout:
    """An OCI layout that is written piece by piece."""

    def __init__(self, place: Path) -> None:
        self.place = place
        (place / "blobs" / "sha256").mkdir(parents=True)
        (place / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def put(self, data: bytes, media_type: str, **members: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (self.place / "blobs" / "sha256" / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **members}

    def image(
        self,
        config: dict[str, Any],
        *layers: tuple[str, bytes],
        docker: bool = False,
        **members: Any,
    ) -> dict[str, Any]:
        """Put an image of layers ``(compression, tar)``; ``members`` go into its descriptor."""
        packed = []
        for how, data in layers:
            suffix = f"+{how}" if how else ""
            packed.append(self.put(PACKERS[how](data), f"{OCI}.layer.v1.tar{suffix}"))
        diff_ids = [f"sha256:{hashlib.sha256(data).hexdigest()}" for _, data in layers]
        document = {
            "architecture": "amd64", "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, **config,
        }  # fmt: skip
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{DOCKER}.v2+json" if docker else f"{OCI}.manifest.v1+json",
            "config": self.put(json.dumps(document).encode(), f"{OCI}.config.v1+json"),
            "layers": packed,
        }
        return self.put(json.dumps(manifest).encode(), str(manifest["mediaType"]), **members)

    def index(self, *manifests: dict[str, Any], media_type: str) -> dict[str, Any]:
        """Put an index of images."""
        document = {"schemaVersion": 2, "mediaType": media_type, "manifests": list(manifests)}
        return self.put(json.dumps(document).encode(), media_type)

    def name(self, descriptor: dict[str, Any]) -> None:
        """Make a descriptor the one of tag ``t``."""
        named = {**descriptor, "annotations": {"org.opencontainers.image.ref.name": "t"}}
        (self.place / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": [named]})
        )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def build(bench: Bench, place: Path, dockerfile: str = "FROM base\n", *flags: str) -> images.Image:
    where = f"base=oci-layout://{place}/layout:t"
    return bench.build(Case(dockerfile, flags=["--build-context", where, *flags]), place)


@pytest.mark.parametrize("how", ["gzip", "zstd", ""])
def test_layers_are_read_however_they_are_packed(
    bench: Bench, layout: Layout, tmp_path: Path, how: str
) -> None:
    layout.name(layout.image({}, (how, LAYER), ("gzip", tar(("h", how.encode())))))
    image = build(
        bench,
        tmp_path,
        'FROM base\nRUN --mount=from=busybox,target=/m ["/m/bin/busybox", "cp", "/d/f", "/k"]\n',
    )
    assert images.difference(image.tree, {}) == {
        **PLAIN, "h": f"f 644 0:0 {how}".removesuffix(" "), "k": "f 644 0:0 f",
    }  # fmt: skip


def test_a_whiteout_and_an_opaque_directory_below_are_obeyed(
    bench: Bench, layout: Layout, tmp_path: Path
) -> None:
    upper = tar(
        member("d", tarfile.DIRTYPE), ("d/.wh..wh..opq", b""), ("d/n", b"n"), (".wh.g", b"")
    )
    layout.name(layout.image({}, ("gzip", LAYER), ("gzip", upper)))
    image = build(bench, tmp_path, "FROM scratch\nCOPY --from=base / /\n")
    assert images.difference(image.tree, {}) == {"d": "d 755 0:0", "d/n": "f 644 0:0 n"}


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": None, "history": None},
        {"config": {"Env": None, "Cmd": None, "Labels": None, "Volumes": None, "OnBuild": None,
                    "ExposedPorts": None, "Healthcheck": None, "User": None}},
    ],
    ids=["absent", "null", "null-members"],
)  # fmt: skip
def test_members_that_are_missing_or_null(
    bench: Bench, layout: Layout, tmp_path: Path, config: dict[str, Any]
) -> None:
    layout.name(layout.image(config, ("gzip", LAYER)))
    image = build(bench, tmp_path, "FROM base\nENV A=1\nLABEL b=2\n")
    assert image.config["Labels"] == {"b": "2"}
    assert image.config["Env"][-1] == "A=1"
    assert len([line for line in image.document["history"] if not line.get("empty_layer")]) == 1


def test_a_config_is_inherited_but_for_its_triggers(
    bench: Bench, layout: Layout, tmp_path: Path
) -> None:
    config = {
        "Env": ["A=1", "PATH=/x", "B"], "Cmd": ["c"], "Entrypoint": ["e"], "User": "7:8",
        "WorkingDir": "/w", "Labels": {"l": "1"}, "Volumes": {"/v": {}}, "ExposedPorts": {"1/tcp": {}},
        "StopSignal": "9", "Shell": ["/s"], "OnBuild": ["LABEL t=2", "ENV A=3"],
        "Healthcheck": {"Test": ["CMD", "h"], "Retries": 2},
    }  # fmt: skip
    layout.name(layout.image({"config": config, "author": "me"}, ("gzip", LAYER)))
    image = build(bench, tmp_path)
    want = {**config, "Labels": {"l": "1", "t": "2"}, "Env": ["A=3", "PATH=/x", "B"]}
    del want["OnBuild"]
    assert image.config == want
    assert image.document["author"] == "me"
    assert image.history[-2:] == ["LABEL t=2", "ENV A=3"]


@pytest.mark.parametrize("media_type", [f"{OCI}.index.v1+json", f"{DOCKER}.list.v2+json"])
def test_the_platform_is_chosen(
    bench: Bench, layout: Layout, tmp_path: Path, media_type: str
) -> None:
    manifests = [
        layout.image(
            {"architecture": arch, "variant": variant}, ("gzip", tar(("arch", arch.encode()))),
            docker="docker" in media_type,
            platform={"os": "linux", "architecture": arch, "variant": variant},
        )
        for arch, variant in (("arm64", "v8"), ("arm", "v7"), ("amd64", ""))
    ]  # fmt: skip
    layout.name(layout.index(*manifests, media_type=media_type))
    text = "FROM --platform=linux/arm64 base AS other\nFROM base\nCOPY --from=other /arch /other\n"
    image = build(bench, tmp_path, text)
    assert images.difference(image.tree, {}) == {
        "arch": "f 644 0:0 amd64",
        "other": "f 644 0:0 arm64",
    }
    assert image.document["architecture"] == "amd64"


def test_the_platform_that_is_asked_for(bench: Bench, layout: Layout, tmp_path: Path) -> None:
    manifests = [
        layout.image(
            {"architecture": arch}, ("gzip", tar(("arch", arch.encode()))),
            platform={"os": "linux", "architecture": arch},
        )
        for arch in ("arm64", "amd64")
    ]  # fmt: skip
    layout.name(layout.index(*manifests, media_type=f"{OCI}.index.v1+json"))
    text = "FROM base\nARG TARGETPLATFORM BUILDARCH\nLABEL t=$TARGETPLATFORM b=$BUILDARCH\n"
    image = build(bench, tmp_path, text, "--platform", "linux/arm64")
    assert images.difference(image.tree, {}) == {"arch": "f 644 0:0 arm64"}
    assert (image.document["architecture"], image.document["os"]) == ("arm64", "linux")
    assert image.config["Labels"] == {"t": "linux/arm64", "b": "amd64"}
