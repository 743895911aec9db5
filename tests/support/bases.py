"""Base images for tests, made once a machine."""

import os
from pathlib import Path

from scripts.bases import make


def bases(*names: str) -> Path:
    """Return the directory with the OCI layouts ``library/<name>``; makes what is missing.

    As a mirror of docker.io it is ``oci-layout:<directory>``. Names: busybox, debian (as root).
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return make(Path(cache) / "mkbuild-bases", names)
