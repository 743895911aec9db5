"""ADD of local archives."""

from collections.abc import Callable
from pathlib import Path

from mkbuild.execute.copy import Attributes, Destination
from mkbuild.execute.place import Placer
from mkbuild.execute.select import Pick
from mkbuild.filesystem.diff import Source
from mkbuild.filesystem.index import Located


def unpack(
    placer: Placer,
    pick: Pick,
    destination: Destination,
    attributes: Attributes,
    content: Callable[[Located], tuple[bytes, Source]],
    scratch: Path,
) -> bool:
    return False
