"""Where finished images go: layouts, archives, root filesystems, registries."""

import json
import os
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from mkbuild.buildfile.target import Output
from mkbuild.engine.images import BuiltImage
from mkbuild.errors import BuildError, UsageError
from mkbuild.execute.rootfs import flattened
from mkbuild.snapshot import tarwriter
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store import dockerarchive, layout
from mkbuild.store.layout import LayoutImage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkbuild.engine.invocation import Invocation


def write_outputs(invocation: "Invocation", images: Sequence[BuiltImage]) -> None:
    """Write everything that the request and the targets ask for besides the registry."""
    publishing = invocation.request.publishing
    for output in publishing.outputs:
        if output.type not in {"oci", "docker"} and len(images) > 1:
            message = f"--output type={output.type} takes one image, not {len(images)}"
            raise UsageError(message, hint="select one target")
        _write(invocation, output, images)
    for image in images:
        for output in invocation.targets[image.label].outputs:
            _write(invocation, output, [image])
    if publishing.metadata_file:
        document = {image.label: metadata(image) for image in images}
        _write_text(Path(publishing.metadata_file), json.dumps(document, indent=2) + "\n")
    if publishing.iidfile:
        if len(images) != 1:
            message = f"--iidfile takes one image, not {len(images)}"
            raise UsageError(message, hint="--metadata-file takes any number")
        _write_text(Path(publishing.iidfile), images[0].manifest.config.digest)


def metadata(image: BuiltImage) -> dict[str, object]:
    """Return an image's part of the metadata file (schemas/metadata.schema.json)."""
    return {
        "containerimage.digest": image.manifest.digest,
        "containerimage.config.digest": image.manifest.config.digest,
        "image.name": ",".join(image.names),
        "inputs.digest": image.inputs,
        "steps": [
            {
                "stage": step.stage,
                "instruction": step.instruction,
                "location": step.location,
                "key": step.key,
                "status": step.status,
                "seconds": round(step.seconds, 3),
                "layer": step.layer,
            }
            for step in image.steps
        ],
    }


def _write_text(path: Path, text: str) -> None:
    with _replacing(path) as stream:
        stream.write(text.encode())


@contextmanager
def _replacing(path: Path) -> "Iterator[BinaryIO]":
    """Write a file beside its place, and put it there when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            yield stream
        partial.rename(path)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise BuildError(message) from error
    finally:
        partial.unlink(missing_ok=True)


def _write(invocation: "Invocation", output: Output, images: Sequence[BuiltImage]) -> None:
    store = invocation.session.store
    path = Path(output.dest)
    if output.type in {"tar", "local"}:
        _root_filesystem(invocation, output, images[0])
        return
    for image in images:
        for layer in image.manifest.layers:
            invocation.bring(layer)
    written = [LayoutImage(image.manifest, image.names) for image in images]
    try:
        if output.type == "docker":
            with _replacing(path) as stream:
                dockerarchive.write(stream, written, store)
        elif output.tar:
            with _replacing(path) as stream:
                layout.write_tar(stream, written, store)
        else:
            path.mkdir(parents=True, exist_ok=True)
            layout.write_directory(path, written, store)
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise BuildError(message) from error


def _root_filesystem(invocation: "Invocation", output: Output, image: BuiltImage) -> None:
    """Write the flattened filesystem of an image as a tar, or into a directory."""
    diff = flattened(invocation.states, invocation.state_of(image.label))
    path = Path(output.dest)
    if output.type == "tar":
        with _replacing(path) as stream:
            for block in tarwriter.stream(diff):
                stream.write(block)
        return
    if path.exists() and any(path.iterdir()):
        message = f"--output type=local: {path} is not empty"
        raise UsageError(message, hint="name a directory that is new or empty")
    path.mkdir(parents=True, exist_ok=True)
    write_tree(diff, path)
