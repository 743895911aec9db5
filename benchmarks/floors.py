"""What the machine itself needs for a row's data, with plain tools: no builder can be faster."""

import http.client
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.statistics import median

_TIMES = 3
_COPIED = 256 << 20


def of_context(directory: Path, registry: str) -> dict[str, float]:
    """Measure what a context costs: seconds by name, and ``packed`` in bytes.

    ``walk``: scandir and lstat of everything, in Python. ``sha256``: ``tar | sha256sum``. ``zstd``:
    ``tar | zstd -3 -T2``. ``upload``: what zstd made, sent to the registry in one request.
    """
    tar = f"tar -C '{directory}' -c ."
    packed = directory.with_name("packed")
    found = {
        "walk": _seconds(lambda: walk(str(directory))),
        "sha256": _seconds(lambda: _shell(f"{tar} | sha256sum")),
        "zstd": _seconds(lambda: _shell(f"{tar} | zstd -q -3 -T2 -f -o '{packed}'")),
    }
    found["upload"] = _seconds(lambda: upload(registry, packed))
    found["packed"] = packed.stat().st_size
    packed.unlink()
    return found


def of_machine() -> dict[str, float]:
    """Measure Python's own start in seconds, and ``copy``, memory bandwidth in bytes a second."""
    source, target = bytearray(_COPIED), bytearray(_COPIED)
    whole = slice(0, _COPIED)
    return {
        "python": _seconds(lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)),
        "copy": _COPIED / _seconds(lambda: target.__setitem__(whole, source)),
    }


def of_commands(lines: str, directory: Path) -> float:
    """Measure how long shell commands take side by side, in seconds."""

    def together() -> None:
        running = [
            subprocess.Popen(["sh", "-c", line], cwd=directory) for line in lines.splitlines()
        ]
        for process in running:
            process.wait()

    return _seconds(together)


def walk(directory: str) -> int:
    """Look at every entry of a tree; returns how many there are."""
    count = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            count += 1
            entry.stat(follow_symlinks=False)
            if entry.is_dir(follow_symlinks=False):
                count += walk(entry.path)
    return count


def upload(registry: str, file: Path) -> None:
    """Send a blob to a registry, in one request, and have it refused at the end.

    The digest is wrong on purpose: nothing stays there, and the registry has done all the work.
    """
    connection = http.client.HTTPConnection(registry)
    connection.request("POST", f"/v2/floor/{uuid.uuid4().hex}/blobs/uploads/")
    response = connection.getresponse()
    response.read()
    location = response.headers["Location"].partition(registry)[2]
    mark = "&" if "?" in location else "?"
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(file.stat().st_size),
    }
    with file.open("rb") as body:
        target = f"{location}{mark}digest=sha256:{'0' * 64}"
        connection.request("PUT", target, body=body, headers=headers)
        status = connection.getresponse().status
    connection.close()
    if status != http.client.BAD_REQUEST:
        raise RuntimeError(f"the registry answered {status} to a blob of another digest")


def _shell(script: str) -> None:
    subprocess.run(["sh", "-c", script], check=True, stdout=subprocess.DEVNULL)


def _seconds(action: Callable[[], object]) -> float:
    """Return the median duration of an action."""
    found: list[float] = []
    for _ in range(_TIMES):
        started = time.perf_counter()
        action()
        found.append(time.perf_counter() - started)
    return median(found)
