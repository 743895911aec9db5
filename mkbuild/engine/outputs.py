"""Where finished images go: layouts, archives, root filesystems, registries."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import Output, Target
from mkbuild.engine.images import BuiltImage, BuiltTarget
from mkbuild.engine.publish import destinations
from mkbuild.engine.request import Publishing
from mkbuild.engine.writing import replacing, write_text
from mkbuild.errors import BuildError, UsageError
from mkbuild.events import Message
from mkbuild.execute.rootfs import flattened
from mkbuild.snapshot import tarwriter
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store import layout
from mkbuild.store.layout import LayoutImage

if TYPE_CHECKING:
    from mkbuild.engine.invocation import Invocation


def write_outputs(invocation: "Invocation", targets: Sequence[BuiltTarget]) -> None:
    """Write everything that the request and the targets ask for besides the registry."""
    publishing = invocation.request.publishing
    for output in publishing.outputs:
        _write(invocation, output, targets)
    if publishing.load:
        load(invocation, targets)
    for target in targets:
        for output in invocation.targets[target.label].outputs:
            _write(invocation, output, [target])
    if publishing.metadata_file:
        document = {target.label: metadata(invocation, target) for target in targets}
        write_text(Path(publishing.metadata_file), json.dumps(document, indent=2) + "\n")
    if publishing.iidfile:
        write_text(Path(publishing.iidfile), targets[0].images[0].manifest.config.digest)


def _pushed(built: BuiltTarget, target: Target, publishing: Publishing) -> Sequence[str]:
    """Return the names of an image: in a run that pushes, those that it is pushed under."""
    if not (publishing.push or publishing.replicas):
        return built.names
    if not target.publish:
        return ()
    elsewhere = publishing.registries or not publishing.push
    return list(map(str, destinations(built.names, publishing))) if elsewhere else built.names


def metadata(invocation: "Invocation", target: BuiltTarget) -> dict[str, object]:
    """Return a target's part of the metadata file (schemas/metadata.schema.json)."""
    names = _pushed(target, invocation.targets[target.label], invocation.request.publishing)
    return {
        "containerimage.digest": target.document.digest,
        "containerimage.config.digest": target.images[0].manifest.config.digest,
        "image.name": ",".join(names),
        "inputs.digest": target.images[0].inputs,
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
            for step in target.steps
        ],
    }


def _write(invocation: "Invocation", output: Output, targets: Sequence[BuiltTarget]) -> None:
    store = invocation.session.store
    path = Path(output.dest)
    if output.type in {"tar", "local"}:
        images = [image for target in targets for image in target.images]
        if len(images) != 1:
            message = f"--output type={output.type} takes one image, not {len(images)}"
            raise UsageError(message, hint="select one target, and one platform")
        _root_filesystem(invocation, output, images[0])
        return
    written = _brought(invocation, targets)
    with _writing(path):
        if output.type == "docker":
            from mkbuild.store import dockerarchive  # tarfile takes every build 1 ms

            with replacing(path) as stream:
                dockerarchive.write(stream, written, store)
        elif output.tar:
            with replacing(path) as stream:
                layout.write_tar(stream, written, store)
        else:
            path.mkdir(parents=True, exist_ok=True)
            layout.write_directory(path, written, store)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Raise BuildError where something cannot be written."""
    try:
        yield
    except OSError as error:
        message = f"cannot write {path}: {error.strerror}"
        raise BuildError(message) from error


def _brought(invocation: "Invocation", targets: Sequence[BuiltTarget]) -> list[LayoutImage]:
    """Bring all layers of images here, and return the images as they are written."""
    for target in targets:
        for image in target.images:
            for layer in image.manifest.layers:
                invocation.bring(layer)
    return [
        LayoutImage(target.document, target.names, tuple(i.manifest for i in target.images))
        for target in targets
    ]


def load(invocation: "Invocation", targets: Sequence[BuiltTarget]) -> None:
    """Hand images to docker or podman; raises PublishError."""
    from mkbuild.engine import daemon
    from mkbuild.store import dockerarchive

    place = daemon.address(invocation.request.publishing.docker_host, os.environ)
    path = invocation.session.directory() / "image.tar"
    with path.open("w+b") as stream:
        dockerarchive.write(stream, _brought(invocation, targets), invocation.session.store)
        stream.seek(0)
        daemon.load(place, stream)
    for target in targets:
        names = ", ".join(target.names) or target.label
        invocation.session.emit(Message("info", f"{place} has {names}"))


def _root_filesystem(invocation: "Invocation", output: Output, image: BuiltImage) -> None:
    """Write the flattened filesystem of an image as a tar, or into a directory."""
    diff = flattened(invocation.states, invocation.state_of(image.planned))
    path = Path(output.dest)
    if output.type == "tar":
        with replacing(path) as stream:
            for block in tarwriter.stream(diff):
                stream.write(block)
        return
    with _writing(path):
        taken = path.exists() and any(path.iterdir())
    if taken:
        message = f"--output type=local: {path} is not empty"
        raise UsageError(message, hint="name a directory that is new or empty")
    with _writing(path):
        path.mkdir(parents=True, exist_ok=True)
        write_tree(diff, path)
