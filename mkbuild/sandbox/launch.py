"""How this tool starts itself again: one place, whatever form the interpreter has.

A relocatable build has no interpreter that the kernel can start by itself (another distribution's
files lie where its loader is looked for). There the image sets ``MKBUILD_LOADER`` (the dynamic
loader) and ``MKBUILD_LIBRARY_PATH``, and every start is ``loader --library-path … python …``.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def interpreter() -> list[str]:
    """Return the words that start the interpreter, up to its own options."""
    loader = os.environ.get("MKBUILD_LOADER")
    if not loader:
        return [sys.executable]
    library_path = os.environ.get("MKBUILD_LIBRARY_PATH", "")
    return [loader, "--library-path", library_path, sys.executable]


def environment() -> dict[str, str]:
    """Return what of the environment an interpreter needs that lies where nobody looks."""
    return {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}


def function(module: str, name: str, *arguments: str) -> list[str]:
    """Return the command that calls a function of one of our modules in a fresh process.

    The function finds ``arguments`` in ``sys.argv[1:]``. Nothing of the environment, of site
    packages or of the user's directories is read, which is also what makes the start short.
    """
    code = f"import sys;sys.path.append({str(ROOT)!r});from {module} import {name};{name}()"
    return [*interpreter(), "-I", "-S", "-c", code, *arguments]
