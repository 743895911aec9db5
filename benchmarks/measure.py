"""Runs a command and measures it: time, processor time and memory of all its processes.

Memory is the proportional set size (PSS) of every process of the side being measured, added up
again and again: shared pages count once, the page cache does not count. What all of them together
peak at between two looks is missed; what one of them does is not, since each knows its own highest
resident size (``VmHWM``): the result is never less than that. To add up 200 MB takes 5 ms of a
processor, so looks become rarer, down to four a second: what is measured is not to wait for it.
"""

import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_FIRST, _LAST, _GROWS = 0.05, 0.25, 1.2
"""Seconds between looks: at first, in the end, and by which factor they become rarer."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured run."""

    seconds: float
    cpu: float
    """Seconds of processor time, user and system, of the command and of its daemon."""
    memory: int
    """Peak bytes of all processes together."""
    instructions: int | None = None
    """Instructions in user mode; None where the processor does not count them for us."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What else was counted, in bytes: ``blobs`` (pushed layers above the base), ``last`` (the last
    of them), ``moved`` (on the wire)."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start."""

    argv: Sequence[str]
    directory: Path
    environment: Mapping[str, str]


class CommandError(Exception):
    """A measured command ended with an error; the message ends with what it printed."""


def run(command: Command, log: Path, *, daemon: int | None = None, count: bool = False) -> Sample:
    """Run a command to its end; its output goes to a log.

    Args:
        command: What to run.
        log: Where standard output and error go.
        daemon: A process that does the command's work: it and its children count too.
        count: Count instructions with perf (not those of a daemon).

    Raises:
        CommandError: The command failed.
    """
    counted = log.with_suffix(".perf")
    prefix = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", str(counted)] if count else []
    daemon_before = daemon_cpu(daemon)
    with log.open("wb") as output, _MemoryWatch(daemon) as watch:
        started = time.perf_counter()
        process = subprocess.Popen(
            [*prefix, *command.argv],
            cwd=command.directory,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        watch.command = process.pid
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = log.read_text(errors="replace")[-1500:]
        raise CommandError(f"{command.argv[0]} ended with {process.returncode}:\n{text}")
    return Sample(
        seconds,
        usage.ru_utime + usage.ru_stime + daemon_cpu(daemon) - daemon_before,
        watch.peak,
        instructions(counted.read_text()) if count else None,
    )


def can_count() -> bool:
    """Whether perf counts instructions here."""
    try:
        done = subprocess.run(
            ["perf", "stat", "-x,", "-e", "instructions:u", "true"],
            check=False,
            capture_output=True,
            text=True,
        )
    except FileNotFoundError:
        return False
    return done.returncode == 0 and instructions(done.stderr) is not None


def instructions(text: str) -> int | None:
    """Read what ``perf stat -x,`` printed; None where it counted nothing."""
    for line in text.splitlines():
        fields = line.split(",")
        if any(name.startswith("instructions") for name in fields) and fields[0].isdigit():
            return int(fields[0])
    return None


def daemon_cpu(pid: int | None) -> float:
    """Return the processor time so far of a process and of its children that have ended."""
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


class _MemoryWatch:
    """Adds up the memory of two process trees while it is entered."""

    def __init__(self, daemon: int | None) -> None:
        self.command: int | None = None
        self.peak = 0
        self._daemon = daemon
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        interval = _FIRST
        while not self._ended.wait(interval):
            interval = min(interval * _GROWS, _LAST)
            roots = {pid for pid in (self.command, self._daemon) if pid is not None}
            pids = descendants(roots)
            together = sum(_kilobytes(pid, "smaps_rollup", "Pss:") for pid in pids)
            alone = max((_kilobytes(pid, "status", "VmHWM:") for pid in pids), default=0)
            self.peak = max(self.peak, together * 1024, alone * 1024)


def descendants(roots: set[int]) -> set[int]:
    """Return the processes of trees: roots and all below them."""
    found: set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting += _children(pid)
    return found


def _children(pid: int) -> list[int]:
    """Return the processes that any thread of a process has started; none where it has ended."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - several times a second
    except OSError:
        return []
    return [
        int(child)
        for thread in threads
        for child in _read(f"/proc/{pid}/task/{thread}/children").split()
    ]


def _kilobytes(pid: int, file: str, key: str) -> int:
    for line in _read(f"/proc/{pid}/{file}").splitlines():
        if line.startswith(key):
            return int(line.split()[1])
    return 0


def _read(path: str) -> str:
    """Read a file of a process; nothing where the process has ended meanwhile."""
    try:
        with open(path) as file:  # noqa: PTH123 - likewise
            return file.read()
    except OSError:
        return ""
