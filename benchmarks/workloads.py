"""What is built: contexts, Dockerfiles, and the states in which each is measured."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contexts import Data, file_name, make_file, make_files

MB = 1_000_000
FLEET = 50


@dataclass(frozen=True, slots=True)
class State:
    """A moment at which every tool builds once a round.

    The states of a workload follow each other: a tool still has what it made in the one before.
    """

    name: str
    reset: bool = False
    """Every tool forgets all it has before."""
    edit: bool = False
    """The workload's edit is made before."""
    push: bool = True
    measured: bool = True
    only: str = ""
    """The one tool that this concerns; empty for all."""
    compression: str = ""


COLD = State("cold", reset=True)
UNCHANGED = State("unchanged")
CHANGED = State("one file changed", edit=True)


@dataclass(frozen=True, slots=True)
class Workload:
    """A workspace that is made from a seed.

    ``make(directory, base, scale)`` writes one directory an image; ``edit(directory, round)``
    changes one of their files so that every round is new.
    """

    name: str
    title: str
    make: Callable[[Path, str, float], None]
    states: tuple[State, ...]
    edit: Callable[[Path, int], None] | None = None
    fleet: bool = False
    """Several images, which not every tool takes."""
    big_base: bool = False
    """Built on a base of 1 GB instead of debian."""
    shared_cache: bool = False
    """The machines share a cache in the registry, and bytes on the wire are counted."""
    alone: bool = False
    """Measured for mkbuild alone unless peers are asked for."""
    critical_path: str = ""
    """Shell commands, a line each, that take as long side by side as the build must."""
    family: str = ""
    """Rows that differ in their size only: what the exponent of growth is fitted to."""
    size: int = 0

    def images(self, directory: Path) -> tuple[str, ...]:
        """Return the names of the images of a workspace that was made."""
        return tuple(sorted(file.parent.name for file in directory.glob("*/Dockerfile")))

    def row(self, state: State) -> str:
        """Return the name of a row of the table."""
        return f"{self.name}: {state.name}"


def _manyfiles(directory: Path, base: str, scale: float) -> None:
    make_files(directory / "app" / "tree", 1, round(20_000 * scale), round(100 * MB * scale))
    _dockerfile(directory / "app", f"FROM {base}\nCOPY tree /srv/tree\n")


def _edit_manyfiles(directory: Path, number: int) -> None:
    file = directory / "app" / "tree" / file_name(33)
    file.write_bytes(Data(1000 + number).take(5000))


def _bigfile(directory: Path, base: str, scale: float) -> None:
    make_file(directory / "app" / "data", 2, round(500 * MB * scale))
    _dockerfile(directory / "app", f"FROM {base}\nCOPY data /srv/data\n")


def _large(directory: Path, base: str, scale: float) -> None:
    make_file(directory / "app" / "data", 3, round(10_000 * MB * scale))
    _dockerfile(directory / "app", f"FROM {base}\nCOPY data /srv/data\n")


def _runs(directory: Path, base: str, scale: float, count: int = 15) -> None:
    del scale
    steps = "".join(
        f"RUN mkdir -p /srv/step{number} && echo {number} > /srv/step{number}/done\n"
        for number in range(count)
    )
    _dockerfile(directory / "app", f"FROM {base}\n{steps}")


_LIBRARIES = "/usr/bin/* /usr/lib/x86_64-linux-gnu/*"
_STAGES = 4


def _slice(number: int, size: int, file: str) -> str:
    """Return a command that sleeps and writes binaries of the base: mixed data, always the same."""
    cut = f"tail -c +{number * 5 * MB + 1} | head -c {size}"
    return f"sleep 2; cat {_LIBRARIES} 2>/dev/null | {cut} > {file}"


def _multistage(directory: Path, base: str, scale: float) -> None:
    size = round(20 * MB * scale)
    stages = "".join(
        f"FROM {base} AS part{number}\nRUN {_slice(number, size, '/part')}\n"
        for number in range(_STAGES)
    )
    copies = "".join(
        f"COPY --from=part{number} /part /srv/part{number}\n" for number in range(_STAGES)
    )
    _dockerfile(directory / "app", f"{stages}FROM {base}\n{copies}")


def _fleet(directory: Path, base: str, scale: float) -> None:
    files = round(20_000 / FLEET * scale)
    for number in range(FLEET):
        image = directory / f"image{number:02d}"
        make_files(image / "tree", 100 + number, files, round(2 * MB * scale))
        _dockerfile(image, f"FROM {base}\nCOPY tree /srv/tree\n")


def _edit_fleet(directory: Path, number: int) -> None:
    file = directory / "image07" / "tree" / file_name(3)
    file.write_bytes(Data(2000 + number).take(5000))


def _fresh(directory: Path, base: str, scale: float) -> None:
    make_files(directory / "app" / "dependencies", 4, round(2_000 * scale), round(30 * MB * scale))
    _edit_fresh(directory, -1)
    steps = "COPY dependencies /srv/dependencies\nRUN echo ready > /srv/ready\n"
    _dockerfile(directory / "app", f"FROM {base}\n{steps}COPY code /srv/code\n")


def _edit_fresh(directory: Path, number: int) -> None:
    make_file(directory / "app" / "code", 3000 + number, 200_000)


def _unpack(directory: Path, base: str, scale: float) -> None:
    del scale
    _dockerfile(directory / "app", f"FROM {base}\nRUN test -d /srv\n")


def make_big_base(directory: Path, base: str, scale: float) -> None:
    """Make the context of a base of 1 GB in 20,000 files."""
    make_files(directory / "big" / "tree", 5, round(20_000 * scale), round(1000 * MB * scale))
    _dockerfile(directory / "big", f"FROM {base}\nCOPY tree /srv/tree\n")


def _dockerfile(directory: Path, text: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "Dockerfile").write_text(text)


def _growing_files(size: int) -> Workload:
    def make(directory: Path, base: str, scale: float) -> None:
        make_files(directory / "app" / "tree", 6, round(size * scale), round(size * 1000 * scale))
        _dockerfile(directory / "app", f"FROM {base}\nCOPY tree /srv/tree\n")

    return _growing("files", size, make)


def _growing_targets(size: int) -> Workload:
    def make(directory: Path, base: str, scale: float) -> None:
        for number in range(max(1, round(size * scale))):
            image = directory / f"image{number:04d}"
            make_file(image / "data", 10_000 + number, 1000)
            _dockerfile(image, f"FROM {base}\nCOPY data /srv/data\n")

    return replace(_growing("targets", size, make), fleet=True)


def _growing_steps(size: int) -> Workload:
    def make(directory: Path, base: str, scale: float) -> None:
        _runs(directory, base, scale, max(1, round(size * scale)))

    return _growing("steps", size, make)


def _growing(family: str, size: int, make: Callable[[Path, str, float], None]) -> Workload:
    states = (COLD, UNCHANGED)
    title = f"{size:,} {family}"
    name = f"growth-{family}-{size}"
    return Workload(name, title, make, states, alone=True, family=family, size=size)


MAIN = (
    Workload(
        "manyfiles",
        "COPY of 20,000 files, 100 MB",
        _manyfiles,
        (COLD, UNCHANGED, CHANGED),
        _edit_manyfiles,
    ),
    Workload(
        "bigfile",
        "COPY of one file of 500 MB",
        _bigfile,
        (
            COLD,
            UNCHANGED,
            State("cold, compression: size", reset=True, only="mkbuild", compression="size"),
        ),
    ),
    Workload("runs", "15 small RUN", _runs, (COLD,)),
    Workload(
        "multistage",
        "four stages, each sleeps 2 s and writes 20 MB",
        _multistage,
        (COLD,),
        critical_path="\n".join(
            _slice(number, 20 * MB, f"part{number}") for number in range(_STAGES)
        ),
    ),
    Workload(
        "fleet",
        f"{FLEET} images over one base, 20,000 files",
        _fleet,
        (
            COLD,
            UNCHANGED,
            CHANGED,
            # What mkbuild remembers of a command line that found nothing to do is of that alone.
            State("no push", push=False, measured=False, only="mkbuild"),
            State("unchanged, no push", push=False),
        ),
        _edit_fleet,
        fleet=True,
    ),
    Workload(
        "fresh",
        "a fresh machine, warm shared cache, 200 kB of code changed",
        _fresh,
        (
            State("first machine", reset=True, measured=False),
            State("code changed", reset=True, edit=True),
        ),
        _edit_fresh,
        shared_cache=True,
    ),
    Workload("unpack", "RUN on a base of 1 GB, 20,000 files", _unpack, (COLD,), big_base=True),
)
GROWTH = (
    *map(_growing_files, (1_000, 10_000, 100_000)),
    *map(_growing_targets, (10, 100, 1_000)),
    *map(_growing_steps, (1, 10, 100)),
)
LARGE = Workload("large", "COPY of one file of 10 GB", _large, (COLD,), alone=True)
ALL = (*MAIN, *GROWTH, LARGE)
