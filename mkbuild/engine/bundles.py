"""``mkbuild cache export`` and ``import``: what a build knows, carried to another machine."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from mkbuild.action import LayerRecord, StatePair
from mkbuild.buildfile.target import CacheSettings, Target
from mkbuild.cache.bundle import Bundle
from mkbuild.cache.open import open_signer
from mkbuild.cache.unbundle import Brought, read_directory, read_tar, unbundle
from mkbuild.engine.build import wanted_labels
from mkbuild.engine.executor import COMPRESSIONS
from mkbuild.engine.invocation import Invocation
from mkbuild.engine.layers import base_names
from mkbuild.engine.request import BuildRequest
from mkbuild.engine.resolution import Resolution, Resolver
from mkbuild.engine.session import Session
from mkbuild.engine.workspace import open_workspace
from mkbuild.engine.writing import replacing
from mkbuild.errors import ArchiveError, UsageError
from mkbuild.events import Reporter
from mkbuild.execute.states import LostStateError
from mkbuild.frozen import frozen
from mkbuild.plan.actions import Action, Base, Node, layer_start
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import layer_pair
from mkbuild.sandbox import detect
from mkbuild.snapshot.layerwrite import write_layer


@frozen
class Written:
    """What an export holds. ``missing``: steps without a result, so that they are not in it."""

    entries: int
    blobs: int
    bytes: int
    missing: int


def export(request: BuildRequest, reporter: Reporter, place: Path, key: bytes | None) -> Written:
    """Write what is known of some images to a file, or into a directory that is there.

    Layers of stages that become no image are made, so that another machine can go on from the
    middle of one. ``key`` signs. Raises MkbuildError.
    """
    signer = None if key is None else open_signer(key)
    detect.enter(request.behaviour.sandbox)
    selected = open_workspace(request)
    try:
        with (
            Session(Path(request.storage), reporter, selected.workspace.cache) as session,
            closing(Invocation(session, request, selected)) as invocation,
        ):
            labels = wanted_labels(invocation, request, selected)
            images, resolution, resolver = invocation.resolve(labels)
            bundle = Bundle(session.store, signer)
            _add_steps(bundle, resolution, resolver)
            _add_layers(bundle, images, resolution, invocation)
            _add_bases(bundle, resolution, invocation)
            _write(bundle, place)
    finally:
        reporter.close()
    blobs = bundle.blobs
    return Written(bundle.entries, len(blobs), sum(blobs.values()), len(resolution.pending()))


def bring(storage: Path, reporter: Reporter, place: Path, key: bytes | None) -> Brought:
    """Take over what :func:`export` wrote, or a cache directory holds; raises MkbuildError.

    With ``key``, entries that it did not sign do not count.
    """
    signer = None if key is None else open_signer(key)
    try:
        with Session(storage, reporter, CacheSettings()) as session:
            try:
                if place.is_dir():
                    return unbundle(read_directory(place), session.known, session.store, signer)
                with place.open("rb") as stream:
                    return unbundle(read_tar(stream), session.known, session.store, signer)
            finally:
                session.known.close()
    except FileNotFoundError as error:
        raise UsageError(
            f"{place}: no such file or directory", hint="mkbuild cache export writes one"
        ) from error
    except OSError as error:
        raise ArchiveError(f"{place} cannot be imported: {error}") from error
    except ArchiveError as error:
        raise ArchiveError(f"{place} is not imported: {error.message}", hint=error.hint) from error
    finally:
        reporter.close()


def _add_steps(bundle: Bundle, resolution: Resolution, resolver: Resolver) -> None:
    """Take the results by both keys, so that they are found from another definition too."""
    for work in resolution.works.values():
        if work.result is None:
            continue
        bundle.add_step(work.key, work.result)
        try:
            bundle.add_step(resolver.content_key(work, work.result.inputs), work.result)
        except LostStateError:  # what it reads of another state is not known here any more
            continue


def _add_layers(
    bundle: Bundle,
    images: list[tuple[str, PlannedImage]],
    resolution: Resolution,
    invocation: Invocation,
) -> None:
    targets = invocation.targets
    of_images = {
        (before, after): targets[label].compression
        for label, image in images
        for before, after in image.spans()
    }
    of_stages = dict(_stage_spans(resolution, targets))
    for (before, after), kind in {**of_stages, **of_images}.items():
        try:
            pair = resolution.state(before), resolution.state(after)
        except KeyError:
            continue
        if pair[0] != pair[1] and not resolution.lossy(before, after):
            _add_layer(bundle, invocation, pair, kind)


def _stage_spans(
    resolution: Resolution, targets: Mapping[str, Target]
) -> Iterator[tuple[tuple[Node, Node], str]]:
    """Yield the nodes between which a stage's layers lie, whether it becomes an image or not."""
    for node in resolution.by_node:
        if isinstance(node, Action) and node.commit:
            yield (layer_start(node), node), targets[node.target].compression


def _add_layer(bundle: Bundle, invocation: Invocation, pair: StatePair, kind: str) -> None:
    key = layer_pair(*pair, kind)
    record = invocation.cache.get_layers([key]).get(key)
    if record is not None:
        invocation.cache.fetch(record.digest, record.size)
    if record is None or not bundle.add_layer(key, record):
        made = _make_layer(invocation, pair, kind)
        if made is not None:
            invocation.cache.put_layer(key, made, replace=True, share=False)
            bundle.add_layer(key, made)


def _make_layer(invocation: Invocation, pair: StatePair, kind: str) -> LayerRecord | None:
    """Write a layer of states that are real here; None where they are not."""
    states = invocation.states
    try:
        return write_layer(states.diff(*pair), states.store, COMPRESSIONS[kind])
    except LostStateError:
        return None


def _add_bases(bundle: Bundle, resolution: Resolution, invocation: Invocation) -> None:
    """Take the TOCs of bases, as far as somebody here has needed them."""
    for node in resolution.by_node:
        if isinstance(node, Base):
            for layer, below in invocation.states.base_layers(node.state):
                known = invocation.cache.get_bases(base_names(layer, below))
                for name, toc in known.items():
                    bundle.add_base(name, toc)


def _write(bundle: Bundle, place: Path) -> None:
    try:
        if place.is_dir():
            bundle.write_directory(place)
            return
    except OSError as error:
        raise ArchiveError(f"cannot write {place}: {error.strerror or error}") from error
    with replacing(place) as stream:
        bundle.write_tar(stream)
