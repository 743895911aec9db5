"""Layers of bases and of our own, brought here and unpacked when somebody needs them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.action import LayerRecord
from mkbuild.cache.tiered import TieredCache
from mkbuild.digest import Digest
from mkbuild.engine import arrival
from mkbuild.errors import PullError
from mkbuild.execute.states import BaseLayer, States, StateTree
from mkbuild.filesystem.toc import Toc
from mkbuild.oci.model import Descriptor
from mkbuild.snapshot import layerread
from mkbuild.snapshot.layerread import LayerContent
from mkbuild.snapshot.trees import TreeStore
from mkbuild.store.protocol import BlobSink, BlobStore
from mkbuild.store.temp import remove_tree
from mkbuild.store.tocs import get_toc, put_toc

FetchBase = Callable[[Descriptor, BlobSink], None]
"""Brings a base layer's blob into the store, by way of a sink; raises PullError."""


class LayerSource:
    """Implements mkbuild.execute.states.Layers.

    What a base layer holds is remembered by its diff ID. A few layers depend on what is below them
    (they leave out parent directories, or link to files of other layers): those are remembered,
    and unpacked, once for each state that they stand on.
    """

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        *,
        store: BlobStore,
        trees: TreeStore,
        cache: TieredCache,
        fetch_base: FetchBase,
        userxattr: bool = False,
        single_id: bool = False,
    ) -> None:
        """Bind to the parts."""
        self._store = store
        self._trees = trees
        self._cache = cache
        self._fetch_base = fetch_base
        self._userxattr = userxattr
        self._single_id = single_id
        # Of the layers that were read in this invocation: whoever unpacks one asks for it next.
        self._seen: dict[Digest, tuple[Digest, Toc]] = {}

    def base_toc(self, layer: BaseLayer, below: StateTree, *, contents: bool) -> tuple[Digest, Toc]:
        """Return a base layer's TOC: remembered, or read from its blob."""
        with below.states.exclusive(f"base {layer.diff_id} {below.state}"):
            names = base_names(layer, below)
            for name in names:
                if name in self._seen:
                    return self._seen[name]
            remembered = self._cache.get_bases(names)
            for name in names:
                toc = self.toc(remembered[name], contents=contents) if name in remembered else None
                if toc is not None:
                    return remembered[name], toc
            # Never seen here, or what is remembered of it is gone: the layer itself tells.
            return self._seen[self._remember(layer, below, self._read(layer, below, None))]

    def toc(self, digest: Digest, *, contents: bool) -> Toc | None:
        """Return a TOC, from a shared cache where it is not here; None where nobody has it.

        Without ``contents``, digests of files are there only where they cost nothing.
        """
        found = get_toc(self._store, digest, contents=True)
        if found is None and self._cache.fetch_tocs([digest], contents=contents):
            found = get_toc(self._store, digest, contents=True)
            if found is None and not contents:
                found = get_toc(self._store, digest, contents=False)
        return found

    def unpack_base(self, layer: BaseLayer, below: StateTree) -> Path:
        """Return a base layer's tree."""
        with below.states.exclusive(f"base {layer.diff_id} {below.state}"):
            while True:
                for name in base_names(layer, below):
                    tree = below.states.keep(name)
                    if tree is not None:
                        return tree
                with self._trees.begin() as temp:
                    content = self._read(layer, below, temp.tree)
                    name = self._remember(layer, below, content)
                    self._trees.publish(temp, name, _size(content.toc))

    def _read(self, layer: BaseLayer, below: StateTree, tree: Path | None) -> LayerContent:
        digest = layer.descriptor.digest
        # Until an arrival is over its bytes are anybody's, and a temporary tree is all they reach.
        unpack = partial(self._unpacked, layer, below, tree)
        if not self._store.has(digest):
            content = arrival.read(self._store, partial(self._fetch_base, layer.descriptor), unpack)
            if content is not None:
                return content
            if tree is not None:
                remove_tree(tree)
                tree.mkdir(0o755)
        with self._store.open(digest) as stream:
            return unpack(stream)

    def _unpacked(
        self, layer: BaseLayer, below: StateTree, tree: Path | None, stream: BinaryIO
    ) -> LayerContent:
        content, diff_id = layerread.unpack(
            stream,
            tree,
            base=below.index,
            locate=below.source,
            userxattr=self._userxattr,
            single_id=self._single_id,
        )
        if diff_id != layer.diff_id:
            message = f"layer {layer.descriptor.digest} is not {layer.diff_id} when decompressed"
            raise PullError(message, hint="the image is corrupt: pull it anew, or rebuild it")
        return content

    def _remember(self, layer: BaseLayer, below: StateTree, content: LayerContent) -> Digest:
        """Store what a layer holds; returns its name."""
        toc = put_toc(self._store, content.toc)
        name = base_names(layer, below)[1 if content.dependent else 0]
        self._cache.put_base(name, toc, replace=True)
        self._seen[name] = toc, content.toc
        return name

    def unpack(self, record: LayerRecord, states: States) -> Path | None:
        """Return the tree of a layer of ours; they depend on nothing below."""
        with states.exclusive(f"tree {record.toc}"):
            while (tree := states.keep(record.toc)) is None:
                if not self._cache.fetch(record.digest, record.size):
                    return None
                with self._trees.begin() as temp:
                    with self._store.open(record.digest) as stream:
                        content, diff_id = layerread.unpack(
                            stream,
                            temp.tree,
                            userxattr=self._userxattr,
                            single_id=self._single_id,
                        )
                    if diff_id != record.diff_id:
                        self._store.delete(record.digest)
                        return None
                    self._trees.publish(temp, record.toc, _size(content.toc))
        return tree


def _size(toc: Toc) -> int:
    return sum(entry.size for entry in toc.entries)


def base_names(layer: BaseLayer, below: StateTree) -> tuple[Digest, Digest]:
    """Return a base layer's name where it stands alone, and where it depends on what is below."""
    return layer.diff_id, digests.of_value("mkbuild.dependent.v1", [layer.diff_id, below.state])
