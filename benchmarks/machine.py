"""Where measurements take place: namespaces of their own, and a journaled filesystem in them.

The harness starts itself again in mount and pid namespaces: whatever ends it, even ``kill -9``,
ends every process that it started, and with the last of them the mounts are gone. The filesystem
lies in an image file without a name, so nothing is left of it either (``kill -9`` leaves the empty
directory where it was mounted).
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_INSIDE = "BENCHMARKS_INSIDE"
_LOOK, _LOOKS = 0.2, 100
"""Seconds between looks at the processors, and how often is looked at most."""
_REST = 0.1
"""The share of the processors' time up to which the machine is at rest."""


def enter(arguments: list[str]) -> None:
    """Become ``python -m benchmarks`` in namespaces of its own; returns within them.

    Raises:
        SystemExit: Not root.
    """
    if os.environ.pop(_INSIDE, "") == str(os.getpid()):
        for number in (signal.SIGINT, signal.SIGTERM):  # whatever whoever started us ignores
            signal.signal(number, _interrupt)
        return
    if os.geteuid() != 0:
        sys.exit("error: measurements mount a filesystem: run them as root")
    os.environ[_INSIDE] = "1"
    namespaces = ("--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
    command = ["unshare", *namespaces, sys.executable, "-m", "benchmarks", *arguments]
    os.execvp(command[0], command)  # noqa: S606 - a list, no shell


def settle(
    read: Callable[[], str] = lambda: Path("/proc/stat").read_text(),
    wait: Callable[[float], None] = time.sleep,
) -> bool:
    """Wait until nobody works any more; False where the machine does not come to rest.

    A daemon works on after its client has ended: BuildKit's keeps two processors busy for seconds.
    """
    quiet, before = 0, _ticks(read())
    for _ in range(_LOOKS):
        wait(_LOOK)
        after = _ticks(read())
        idle, total = (new - old for new, old in zip(after, before, strict=True))
        quiet = quiet + 1 if total and 1 - idle / total <= _REST else 0
        if quiet == 2:  # noqa: PLR2004 -- one look may fall between two pieces of work
            return True
        before = after
    return False


def _ticks(stat: str) -> tuple[int, int]:
    """Return the idle and all ticks of all processors together (proc(5)); who waits is not idle."""
    fields = [int(field) for field in stat.split("\n", 1)[0].split()[1:9]]
    return fields[3], sum(fields)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def filesystem(image: Path, gigabytes: float) -> Iterator[Path]:
    """Make and mount an ext4 with a journal; yields its root.

    The image file is sparse, and what is deleted is punched out of it again.
    """
    mount = image.with_name(f"{image.name}.mount")
    mount.mkdir(parents=True)
    with image.open("wb") as file:
        file.truncate(int(gigabytes * 1e9))
    options = ("-q", "-O", "has_journal", "-E", "lazy_itable_init=1,nodiscard", "-i", "8192")
    try:
        subprocess.run(["mkfs.ext4", *options, str(image)], check=True)
        subprocess.run(["mount", "-o", "loop,discard", str(image), str(mount)], check=True)
    finally:
        image.unlink()
    try:
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", "--recursive", str(mount)], check=True)
        mount.rmdir()


def describe() -> dict[str, str]:
    """Return what a reader of figures asks first: kernel, processor, memory, load."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown",
    )
    system = os.uname()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "kernel": f"{system.sysname} {system.release} {system.machine}",
        "processor": f"{os.cpu_count()} × {model}",
        "memory": f"{memory / 1e9:.0f} GB",
        "load": " ".join(f"{value:.1f}" for value in os.getloadavg()),
    }
