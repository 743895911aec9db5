"""Runs a function in a process that can write to one directory only, whatever it tries."""

import os
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkbuild.sandbox import syscalls

_DIRECTORY = os.O_PATH | os.O_DIRECTORY


def boxed(writable: Path, function: Callable[..., Any], *args: Any) -> Any:
    """Call it with the rest of the machine read-only; returns its result. Needs root."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            _close(writable)
            answer = (True, function(*args))
        except BaseException:  # noqa: BLE001 -- told to the parent, whatever it is
            answer = (False, traceback.format_exc())
        with os.fdopen(writer, "wb") as stream:
            pickle.dump(answer, stream)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        good, result = pickle.load(stream)  # noqa: S301 -- our own child's
    os.waitpid(child, 0)
    assert good, result
    return result


def _close(writable: Path) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    place, root = os.open(writable, _DIRECTORY), os.open("/", _DIRECTORY)
    kept = syscalls.clone_tree(place)
    syscalls.set_mount_attributes(root, syscalls.ATTR_RDONLY)
    syscalls.attach(kept, place)
    for fd in (place, root, kept):
        os.close(fd)
    os.chdir(writable)
