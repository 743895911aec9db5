"""The command line of the harness: see ``python -m benchmarks --help``."""

import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import machine, report
from benchmarks.boxed import Kaniko, Makisu
from benchmarks.buildkit import BuildKit, find_programs
from benchmarks.harness import OURS, Setting, measure
from benchmarks.measure import can_count
from benchmarks.results import Results, load, newest
from benchmarks.table import render_row, verdicts
from benchmarks.tools import Buildah, Mkbuild, Tool
from benchmarks.workloads import ALL, GROWTH, LARGE, MAIN, Workload
from tests.support.bases import bases

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_GROUPS = {
    "all": (*MAIN, *GROWTH),
    "main": MAIN,
    "growth": GROWTH,
    "large": (LARGE,),
    **{workload.name: (workload,) for workload in ALL},
}
_QUICK = 0.1


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the peers are that Debian does not have; and another mkbuild to compare with."""

    buildkit: Path | None
    buildx: Path | None
    kaniko: Path | None
    makisu: Path | None
    against: Path | None


def find_tools(place: Path, programs: Programs, wanted: set[str] | None) -> list[Tool]:
    """Return mkbuild and the peers that are there, or those wanted.

    Raises:
        click.UsageError: One that is wanted is not there.
    """
    tools: list[Tool] = [Mkbuild(place / OURS)]
    if programs.against:
        tools.append(Mkbuild(place / "other", programs.against, "mkbuild-other"))
    peers: dict[str, Tool] = {
        name: Buildah(place / name, name) for name in ("buildah", "podman") if shutil.which(name)
    }
    if found := find_programs(programs.buildkit):
        buildx = programs.buildx or found / "buildx"
        peers["buildkit"] = BuildKit(
            place / "buildkit", found, buildx if buildx.is_file() else None
        )
    if programs.kaniko:
        peers["kaniko"] = Kaniko(place / "kaniko", programs.kaniko)
    if programs.makisu:
        peers["makisu"] = Makisu(place / "makisu", programs.makisu)
    if missing := (wanted or set()) - peers.keys():
        raise click.UsageError(f"not on this machine: {', '.join(sorted(missing))}")
    return [*tools, *(tool for name, tool in peers.items() if wanted is None or name in wanted)]


_file = click.Path(path_type=Path, exists=True, resolve_path=True)
_directory = click.Path(path_type=Path, file_okay=False, resolve_path=True)


@click.group(context_settings={"auto_envvar_prefix": "BENCHMARKS", "max_content_width": 100})
def main() -> None:
    """Measure mkbuild against its peers.

    Every option is also a variable BENCHMARKS_<VERB>_<NAME>, as BENCHMARKS_RUN_ROUNDS.
    """


@main.command("list")
def show() -> None:
    """List the workloads."""
    for group, workloads in _GROUPS.items():
        title = workloads[0].title if len(workloads) == 1 else ""
        names = " ".join(workload.name for workload in workloads)
        click.echo(f"{group:22} {title or names}")


@main.command()
@click.argument("names", metavar="[WORKLOAD]...", nargs=-1, type=click.Choice(list(_GROUPS)))
@click.option("--peers", metavar="A,B", help="Of the peers that are found only these, or none.")
@click.option("--rounds", metavar="N", type=click.IntRange(1), default=3, show_default=True)
@click.option("--quick", is_flag=True, help=f"One round, sizes scaled by {_QUICK}.")
@click.option("--scale", metavar="F", type=float, default=1.0, help="Scale all sizes.")
@click.option("--buildkit", type=_file, help="Directory with buildkitd and buildctl.")
@click.option("--buildx", type=_file, help="buildx, for fleets; else beside buildkitd.")
@click.option("--kaniko", type=_file, help="kaniko's executor.")
@click.option("--makisu", type=_file, help="makisu.")
@click.option("--against", type=_file, help="Another mkbuild, as of another checkout's .venv/bin.")
@click.option("--output", type=_directory, default=RESULTS, help="Where the JSON goes.")
@click.option("--place", type=_directory, help="Where the disk image lies; else a temporary place.")
@click.option("--disk", metavar="GB", type=float, default=45.0, show_default=True, help="Its size.")
@click.option("--resume", is_flag=True, help="Leave out what the newest results already have.")
def run(  # noqa: PLR0913 - one parameter an option
    *,
    names: tuple[str, ...],
    peers: str | None,
    rounds: int,
    quick: bool,
    scale: float,
    buildkit: Path | None,
    buildx: Path | None,
    kaniko: Path | None,
    makisu: Path | None,
    against: Path | None,
    output: Path,
    place: Path | None,
    disk: float,
    resume: bool,
) -> None:
    """Measure workloads (all of them without a name; large only by its name).

    Peers take part in growth and large only where both those and the peers are named.
    """
    machine.enter(sys.argv[1:])
    if quick:
        rounds, scale = 1, scale * _QUICK
    wanted = None if peers is None else set(peers.split(",")) - {"none", ""}
    programs = Programs(buildkit, buildx, kaniko, makisu, against)
    with (
        TemporaryDirectory(prefix="mkbuild-benchmarks-", dir=place) as temporary,
        machine.filesystem(Path(temporary) / "disk", disk) as root,
        ExitStack() as stack,
    ):
        tools = find_tools(root, programs, wanted)
        for tool in tools:
            stack.callback(tool.close)
        setting = Setting(root, bases("debian"), rounds, scale, count=can_count())
        file = newest(output) if resume else None
        results = load(file) if file else _new_results(setting)
        file = file or output / f"{results.date.replace(':', '')}.json"
        results.versions |= {tool.name: tool.version() for tool in tools}
        for workload in _chosen(names or ("all",)):
            alone = workload.alone and not (peers and workload.name in names)
            taking_part = [
                tool
                for tool in tools
                if tool.name == OURS or not (alone or (workload.fleet and not tool.fleets))
            ]
            if results.has(workload.name, [tool.name for tool in taking_part]):
                continue
            click.echo(f"\n== {workload.name}: {workload.title}", err=True)
            for row in measure(workload, taking_part, setting, results):
                click.echo(render_row(row))
            results.save(file)
    click.echo(f"\n{verdicts(results, known=True)}\n\nkept in {file}")


def _chosen(names: Sequence[str]) -> list[Workload]:
    chosen = {workload.name: workload for name in names for workload in _GROUPS[name]}
    return list(chosen.values())


def _new_results(setting: Setting) -> Results:
    date = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    return Results(date, machine.describe(), {}, setting.rounds, setting.scale)


@main.command("report")
@click.argument("results", required=False, type=_file)
@click.option("--page", type=click.Path(path_type=Path), default=PAGE, help="What to write.")
def write_report(results: Path | None, page: Path) -> None:
    """Write docs/performance.md and its plots, from the newest results or those of a file."""
    found = results or newest(RESULTS)
    if found is None:
        raise click.UsageError(f"{RESULTS} holds no results: measure first")
    report.write(load(found), page)
    click.echo(f"wrote {page}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
