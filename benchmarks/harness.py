"""Runs workloads: every tool in turn, round after round, state after state."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from benchmarks import floors, images
from benchmarks.machine import settle
from benchmarks.measure import CommandError, Sample, run
from benchmarks.results import Results, Row
from benchmarks.tools import Job, Mkbuild, Tool, remove
from benchmarks.workloads import State, Workload, make_big_base
from tests.support.counting import Counter, counting_proxy
from tests.support.registry import RealRegistry

OURS = "mkbuild"
_COMPARED = 3
"""Of a fleet the images that are compared: the first, the middle, the last."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all workloads have in common."""

    place: Path
    """On the journaled filesystem."""
    bases: Path
    """The OCI layouts of scripts/bases.py."""
    rounds: int
    scale: float
    count: bool
    """Count instructions."""


def measure(
    workload: Workload, tools: Sequence[Tool], setting: Setting, results: Results
) -> Iterator[Row]:
    """Measure one workload; yields each of its rows once it is complete, and adds it to results."""
    with _Bench(workload, setting) as bench:
        rows = {
            state.name: Row(
                workload.name, workload.title, state.name, workload.family, workload.size
            )
            for state in workload.states
            if state.measured
        }
        for row in rows.values():
            row.floors = bench.floors
        for number in range(setting.rounds):
            bench.round(number, tools, rows)
        for state in workload.states:
            if state.measured:
                results.rows[workload.row(state)] = rows[state.name]
                yield rows[state.name]


class _Bench:
    """A workspace and a registry for one workload."""

    def __init__(self, workload: Workload, setting: Setting) -> None:
        self._workload = workload
        self._setting = setting
        self._directory = setting.place / "workspace"
        self._stack = ExitStack()
        self._counter: Counter | None = None
        self._registry = ""
        self.floors: dict[str, float] = {}

    def __enter__(self) -> Self:
        workload, setting = self._workload, self._setting
        registry = self._stack.enter_context(_registry(setting.place / "registry"))
        if workload.shared_cache:
            self._counter = self._stack.enter_context(counting_proxy(registry.port))
        self._registry = self._counter.address if self._counter else registry.address
        base = f"{self._registry}/library/debian:bookworm-slim"
        copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false"]
        layout = f"oci:{setting.bases}/library/debian:bookworm-slim"
        subprocess.run([*copy, layout, f"docker://{base}"], check=True)
        if workload.big_base:
            base = _big_base(setting, self._registry, base)
        workload.make(self._directory, base, setting.scale)
        self.floors = floors.of_context(self._directory, registry.address) | floors.of_machine()
        self.floors["base entries"] = len(images.listing(base))
        if workload.critical_path:
            scratch = setting.place / "scratch"
            scratch.mkdir()
            self.floors["critical"] = floors.of_commands(workload.critical_path, scratch)
            remove(scratch)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        remove(self._directory)

    def round(self, number: int, tools: Sequence[Tool], rows: dict[str, Row]) -> None:
        """Go through the states once."""
        failed: set[str] = set()
        for state in self._workload.states:
            if state.edit and self._workload.edit:
                self._workload.edit(self._directory, number)
            for tool in tools:
                if tool.name in failed or state.only not in {"", tool.name}:
                    continue
                job = self._job(tool, state, number)
                row = rows.get(state.name)
                try:
                    sample = self._build(tool, state, job)
                except CommandError as error:
                    failed.add(tool.name)
                    _say(f"  {tool.name} failed: {error}")
                    if row is not None:
                        row.failures[tool.name] = str(error)
                    continue
                _say(f"  {number + 1} {state.name:24} {tool.name:10} {sample.seconds:7.2f} s")
                if row is not None:
                    row.samples.setdefault(tool.name, []).append(sample)
                    if number == 0 and state.push and tool.name != OURS:
                        row.differences[tool.name] = self._compare(job, state, number)

    def _job(self, tool: Tool, state: State, number: int) -> Job:
        return Job(
            self._directory,
            self._workload.images(self._directory),
            self._registry,
            f"{tool.name}/{self._workload.name}/round{number}",
            push=state.push,
            cache=f"cache/{tool.name}/round{number}" if self._workload.shared_cache else "",
            compression=state.compression,
        )

    def _build(self, tool: Tool, state: State, job: Job) -> Sample:
        if state.reset:
            tool.reset()
        tool.prepare(job)
        os.sync()
        if not settle():
            _say("  (the machine does not come to rest)")
        moved = self._counter.bytes if self._counter else 0
        sample = run(
            tool.command(job),
            self._setting.place / "output.log",
            daemon=tool.daemon,
            count=self._setting.count,
        )
        facts: dict[str, float] = {}
        if self._counter:
            facts["moved"] = self._counter.bytes - moved
        if state.push and len(job.images) == 1:
            sizes = images.layer_sizes(job.reference(job.images[0]))
            facts |= {"blobs": sum(sizes[1:]), "last": sizes[-1]}
        return replace(sample, facts=facts)

    def _compare(self, job: Job, state: State, number: int) -> str:
        """Say what an image holds otherwise than ours."""
        ours = replace(job, repositories=f"{OURS}/{self._workload.name}/round{number}")
        names = job.images
        some = {names[0], names[len(names) // 2], names[-1]}
        for image in sorted(some):
            found = images.difference(
                images.listing(ours.reference(image)), images.listing(job.reference(image))
            )
            if found:
                return f"{state.name}, {image}: {'; '.join(found[:3])} ({len(found)} in all)"
        return ""


@contextmanager
def _registry(directory: Path) -> Iterator[RealRegistry]:
    """A registry whose contents go with it."""
    try:
        with RealRegistry(directory) as registry:
            yield registry
    finally:
        remove(directory)


def _big_base(setting: Setting, registry: str, base: str) -> str:
    """Build and push the base of 1 GB; returns its name."""
    workspace, place = setting.place / "big", setting.place / "big-store"
    make_big_base(workspace, base, setting.scale)
    tool = Mkbuild(place)
    tool.reset()
    job = Job(workspace, ("big",), registry, "library")
    tool.prepare(job)
    run(tool.command(job), setting.place / "output.log")
    remove(workspace)
    remove(place)
    return job.reference("big")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
