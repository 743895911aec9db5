"""Limits of a RUN (processors, memory, processes): which cgroup can hold them on this machine.

A RUN gets a cgroup of its own, below the one that this process is in. Version 1 has a hierarchy for
each controller. Version 2 has one for all, with a rule that stands in the way: a cgroup whose
processes live in it has no limits below. So there the places are, in this order: below our own,
where it holds nobody (the machine's root may do as it likes); below our own, once this process and
its children, if nobody else is in it, have moved into a cgroup there; beside our own, if that has
no limits which a RUN would then escape.
"""

import os
import re
import resource
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import field

from mkbuild.frozen import frozen
from mkbuild.sandbox import cgroups, launch
from mkbuild.sandbox.spec import Group

_PERIOD = 100_000
"""Microseconds over which a share of processors is counted."""
_OWN_PROCESSES = 32
"""What mkbuild itself may have of processes and threads, where those of a user are counted."""
_ONE, _TWO = 1, 2
_ESCAPE = re.compile(r"\\([0-7]{3})")
_SWAP = {_ONE: "memory.memsw.limit_in_bytes", _TWO: "memory.swap.max"}
_MAXIMA = ("cpu.max", "memory.max", "pids.max")
_INSTEAD = {
    "cpu": "processors are not limited",
    "memory": "memory is limited by process (RLIMIT_DATA)",
    "pids": "processes are limited by user (RLIMIT_NPROC)",
}


@frozen
class Limits:
    """What a RUN may use, 0 for no limit: processors, bytes of memory, processes and threads."""

    cpus: float = 0
    memory: int = 0
    pids: int = 0

    def wanted(self) -> frozenset[str]:
        """Return the controllers that it takes to hold them."""
        asked = {"cpu": self.cpus, "memory": self.memory, "pids": self.pids}
        return frozenset(name for name, value in asked.items() if value)

    def met(self, name: str) -> str:
        """Say what happened to a command that met a limit (``memory`` or ``pids``)."""
        if name == "memory":
            amount = f"{self.memory / 1_000_000:g} MB"
            return f"the kernel killed it at its limit of memory, {amount}"
        return f"it met its limit of {self.pids} processes and threads"


@frozen
class Hierarchy:
    """A hierarchy that is mounted on ``top``, and the directory of this process's cgroup in it.

    ``own`` is empty where that lies outside of what is mounted.
    """

    version: int
    top: str
    own: str


@frozen
class Place:
    """Where cgroups of RUNs are made: below ``parent``; ``swap``: whether swap can be limited."""

    version: int
    parent: str
    swap: bool = False


@frozen
class Places:
    """For each controller the place of its cgroups, or why there is none."""

    found: Mapping[str, Place] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def groups(self, limits: Limits) -> tuple[Group, ...]:
        """Return the cgroups that hold limits, as far as there is a place for them."""
        files: dict[str, list[tuple[str, str]]] = {}
        for name in sorted(limits.wanted() & self.found.keys()):
            place = self.found[name]
            files.setdefault(place.parent, []).extend(_files(name, limits, place))
        return tuple(Group(parent, tuple(written)) for parent, written in files.items())

    def rlimits(self, limits: Limits) -> tuple[tuple[int, int], ...]:
        """Return what stands in where a cgroup is missing: limits of each process, and each user.

        The kernel does not count the processes of the machine's own root.
        """
        found = []
        if limits.memory and "memory" in self.missing:
            found.append((resource.RLIMIT_DATA, limits.memory))
        if limits.pids and "pids" in self.missing:
            found.append((resource.RLIMIT_NPROC, limits.pids + _OWN_PROCESSES))
        return tuple(found)

    def warning(self) -> str:
        """Say in one line which limits do not hold, why, and what holds instead; or nothing."""
        if not self.missing:
            return ""
        reasons = "; ".join(dict.fromkeys(self.missing.values()))
        instead = ", ".join(_INSTEAD[name] for name in sorted(self.missing))
        return f"resources: RUN gets no cgroup ({reasons}): {instead}; see docs/running.md"


def find(wanted: frozenset[str]) -> Places:
    """Find a place for each controller (``cpu memory pids``); each is tried, and swept clean."""
    hierarchies = mounted(_read("/proc/self/mountinfo"), _read("/proc/self/cgroup"))
    found: dict[str, Place] = {}
    missing: dict[str, str] = {}
    for name in sorted(wanted):
        try:
            found[name] = _place(name, hierarchies)
        except OSError as error:
            missing[name] = f"{error.filename}: {error.strerror}"
    return Places(found, missing)


def mounted(mountinfo: str, own: str) -> dict[str, Hierarchy]:
    """Read the hierarchy of each controller from the texts of these two files of /proc/self."""
    paths: dict[str, str] = {}
    for line in own.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    found: dict[str, Hierarchy] = {}
    for version, root, top, names in _mounts(mountinfo):
        for name in names:
            path = paths.get(name if version == _ONE else "", "")
            if path and name not in found:
                found[name] = Hierarchy(version, top, _below(top, root, path))
    return found


def _mounts(mountinfo: str) -> Iterator[tuple[int, str, str, list[str]]]:
    """Yield version, root, mount point and controllers of each; what version 1 has, 2 lacks."""
    later = []
    for line in mountinfo.splitlines():
        words, _, rest = line.partition(" - ")
        root, top = (_unescape(word) for word in words.split()[3:5])
        kind, _, options = rest.split(" ", 2)
        if kind == "cgroup":
            yield _ONE, root, top, options.split(",")
        elif kind == "cgroup2":
            later.append((_TWO, root, top, list(_INSTEAD)))
    yield from later


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), text)


def _below(top: str, root: str, path: str) -> str:
    relative = os.path.relpath(path, root)
    if relative == ".." or relative.startswith("../"):
        return ""
    return os.path.normpath(f"{top}/{relative}")


def _place(name: str, hierarchies: Mapping[str, Hierarchy]) -> Place:
    """Return where a RUN's cgroup can be made; OSError tells why it cannot."""
    hierarchy = hierarchies.get(name)
    if hierarchy is None:
        raise OSError(0, "not mounted", f"the cgroup controller {name}")
    if not hierarchy.own:
        raise OSError(0, "our own cgroup lies outside of it", hierarchy.top)
    version = hierarchy.version
    parent = hierarchy.own if version == _ONE else _delegated(name, hierarchy)
    path, lock = cgroups.make(parent)
    try:
        _try_to_join(path)
        swap = os.path.exists(f"{path}/{_SWAP[version]}")
    finally:
        cgroups.remove(path)
        os.close(lock)
    cgroups.sweep(parent)
    return Place(version, parent, swap)


def _try_to_join(path: str) -> None:
    """Put a process into a cgroup, to its end; OSError where that is not allowed."""
    command = launch.function("mkbuild.sandbox.cgroups", "enter", path)
    done = subprocess.run(command, env=launch.environment(), check=False, cwd="/")
    if done.returncode:
        reason = os.strerror(done.returncode)
        raise OSError(
            done.returncode, f"no process can be put below it: {reason}", os.path.dirname(path)
        )


def _delegated(name: str, hierarchy: Hierarchy) -> str:
    """Return a directory of version 2 whose children have the controller; see the module."""
    own = hierarchy.own
    if os.path.basename(own).startswith(cgroups.PREFIX):
        own = os.path.dirname(own)  # where we moved to before
    if name not in _words(f"{own}/cgroup.controllers"):
        raise OSError(0, f"the controller {name} is not handed down to it", own)
    inside = _words(f"{own}/cgroup.procs")
    # the controller cpu could be had, but nothing could live below; only the root has no type
    if not inside or not os.path.exists(f"{own}/cgroup.type"):
        return _enabled(name, own)
    if all(map(_ours, inside)):
        path, _ = cgroups.make(own)  # locked as long as this process lives
        for process in inside:
            cgroups.write(f"{path}/cgroup.procs", process)
        return _enabled(name, own)
    beside = os.path.dirname(own)
    unlimited = all(_words(f"{own}/{file}")[:1] in ([], ["max"]) for file in _MAXIMA)
    if own == hierarchy.top or not unlimited:
        raise OSError(0, "other processes live in it", own)
    if not os.access(f"{beside}/cgroup.procs", os.W_OK):
        raise OSError(0, "other processes live in it, and the one above belongs to others", own)
    return _enabled(name, beside)


def _ours(process: str) -> bool:
    """Tell whether a process is this one or a child of it, as a sandbox's zygote is."""
    own = str(os.getpid())
    return process == own or _read(f"/proc/{process}/stat").rpartition(")")[2].split()[1:2] == [own]


def _enabled(name: str, directory: str) -> str:
    """Return the directory, its children having the controller from now on; OSError."""
    control = f"{directory}/cgroup.subtree_control"
    if name not in _words(control):
        cgroups.write(control, f"+{name}")
    return directory


def _files(name: str, limits: Limits, place: Place) -> list[tuple[str, str]]:
    one = place.version == _ONE
    match name:
        case "cpu":
            quota, period = str(max(1000, round(limits.cpus * _PERIOD))), str(_PERIOD)
            if one:
                return [("cpu.cfs_period_us", period), ("cpu.cfs_quota_us", quota)]
            return [("cpu.max", f"{quota} {period}")]
        case "memory":
            files = [("memory.limit_in_bytes" if one else "memory.max", str(limits.memory))]
            if place.swap:
                # version 1 counts memory and swap together
                files.append((_SWAP[place.version], str(limits.memory) if one else "0"))
            return files
        case _:
            return [("pids.max", str(limits.pids + 1))]  # pid 1 is ours


def _words(path: str) -> list[str]:
    return _read(path).split()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
