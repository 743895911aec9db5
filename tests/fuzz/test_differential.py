"""Random Dockerfiles and contexts, built by mkbuild and by buildah: same files, same config.

A disagreement is a defect of ours, or excused in :data:`EXCUSES` by what buildah does otherwise.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild.errors import MkbuildError
from tests.support import images
from tests.support.buildah import Buildah, BuildahError
from tests.support.computer import Computer

pytestmark = pytest.mark.root
CONFIG = ("Cmd", "Entrypoint", "Env", "ExposedPorts", "Labels", "StopSignal", "User", "WorkingDir")
BUILDAH = "io.buildah.version"
STUBS = {"dev", "proc", "sys", "run", "run/.containerenv"} | {
    f"etc/{name}" for name in ("hosts", "hostname", "resolv.conf")
}
"""Places that builders mount at, and leave behind or not."""

names = st.sampled_from(["a", "b", "c", "d"])
paths = st.builds("/".join, st.lists(names, min_size=1, max_size=3))
texts = st.text("xyz ", max_size=6)
modes = st.sampled_from(["600", "644", "755", "4755", "1777", "0"])
owners = st.sampled_from(["0", "7:8", "7", "nobody"])


@dataclass(frozen=True)
class Build:
    """A Dockerfile, and files by path: (mode, text), or where a symlink leads."""

    lines: tuple[str, ...]
    files: Mapping[str, tuple[int, str] | str]

    @property
    def dockerfile(self) -> str:
        return "\n".join(self.lines) + "\n"

    def write(self, place: Path) -> None:
        for path, content in self.files.items():
            file = place / path
            if any(parent.is_symlink() or parent.is_file() for parent in file.parents):
                continue
            if file.exists() or file.is_symlink():
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                file.symlink_to(content)
            else:
                file.write_text(content[1])
                file.chmod(content[0])
        for directory in place.rglob("*"):
            if directory.is_dir() and not directory.is_symlink():
                directory.chmod(0o755)
        (place / "Dockerfile").write_text(self.dockerfile)
        (place / "z").write_text("always here\n")


@st.composite
def shells(draw: st.DrawFn) -> str:
    """Draw a command that changes files below /w."""
    one, other = "/w/" + draw(paths), "/w/" + draw(paths)
    parent = one.rpartition("/")[0]
    return draw(
        st.sampled_from(
            [
                f"mkdir -p {one}",
                f"mkdir -p {parent} && echo {draw(texts)!r} > {one} || true",
                f"rm -rf {one}",
                f"mv {one} {other} || true",
                f"cp -a {one} {other} || true",
                f"ln {one} {other} || true",
                f"ln -s {other} {one} || true",
                f"chmod {draw(modes)} {one} || true",
                f"chown {draw(owners)} {one} || true",
                f"rm -rf {one} && mkdir -p {one} && touch {one}/new",
                f"test -f {one} && echo more >> {one} || true",
            ]
        )
    )


@st.composite
def instructions(draw: st.DrawFn) -> str:
    """Draw one instruction."""
    kind = draw(st.integers(0, 9))
    if kind <= 3:
        return "RUN " + " && ".join(draw(st.lists(shells(), min_size=1, max_size=3)))
    if kind <= 6:
        flags = draw(st.sampled_from(["", "--chown=7:8 ", "--chown=9 "]))
        source = draw(st.sampled_from([".", "z", "[az]", "?", "a", "b", "a/*"]))
        dest = draw(st.sampled_from(["/w/", "/new/", "rel/", "/w/c/", "./", "/deep/er/"]))
        return f"COPY {flags}{source} {dest}"
    return draw(
        st.sampled_from(
            [
                f"ENV {draw(names)}={draw(texts)!r}".replace("'", '"'),
                f"LABEL {draw(names)}={draw(texts)!r}".replace("'", '"'),
                f"WORKDIR /w/{draw(names)}",
                f"WORKDIR {draw(names)}",
                f"EXPOSE {draw(st.integers(1, 9000))}",
                'CMD ["x", "y"]',
                "CMD x $y",
                'ENTRYPOINT ["/bin/sh"]',
                "STOPSIGNAL 9",
                f"USER {draw(st.sampled_from(['root', '0', '0:0']))}",
            ]
        )
    )


@st.composite
def builds(draw: st.DrawFn) -> Build:
    """Draw a build of one or two stages."""
    lines = ["FROM busybox:stable AS one", *draw(st.lists(instructions(), max_size=4))]
    if draw(st.booleans()):
        lines += ["FROM busybox:stable", "WORKDIR /w"]
        lines += draw(st.lists(instructions(), max_size=2))
        lines += [
            f"COPY --from=one {draw(st.sampled_from(['/w', '/etc/passwd', '/bin/sh']))} /got/"
        ]
        lines += draw(st.lists(instructions(), max_size=2))
    contents = st.tuples(st.sampled_from([0o644, 0o755, 0o600, 0o444]), texts)
    files = draw(st.dictionaries(paths, st.one_of(contents, names), max_size=6))
    lines.insert(1, "RUN mkdir -p /w")
    return Build(tuple(lines), files)


Outcome = images.Image | str
"""An image, or why there is none."""


def by_mkbuild(computer: Computer, context: Path, out: Path) -> Outcome:
    try:
        computer.build(context, ".", "--output", f"type=oci,dest={out},tar=false")
    except MkbuildError as error:
        assert error.exit_code in {1, 2}, error  # noqa: PT017 -- what kind is checked, not that
        return f"failed: {error.message}"
    return images.load(out)


def by_buildah(buildah: Buildah, context: Path) -> Outcome:
    try:
        return buildah.build(context)
    except BuildahError:
        return "failed"


def disagreements(ours: Outcome, theirs: Outcome) -> list[str]:
    """Say in what two outcomes differ."""
    if isinstance(ours, str) or isinstance(theirs, str):
        shown = [found if isinstance(found, str) else "built" for found in (ours, theirs)]
        same = isinstance(ours, str) == isinstance(theirs, str)
        return [] if same else [f"mkbuild {shown[0]}, buildah {shown[1]}"]
    base: images.Tree = {}
    left, right = images.difference(ours.tree, base), images.difference(theirs.tree, base)
    found = [
        f"/{path}: {left.get(path)!r}, buildah {right.get(path)!r}"
        for path in sorted(left.keys() | right.keys())
        if left.get(path) != right.get(path) and path not in STUBS
    ]
    for member in CONFIG:
        one, other = ours.config.get(member), theirs.config.get(member)
        if member == "WorkingDir":
            one, other = one or "/", other or "/"
        if member == "Labels":
            other = {key: text for key, text in (other or {}).items() if key != BUILDAH}
        if member == "Env":
            one, other = sorted(one or ()), sorted(other or ())
        if (one or None) != (other or None):
            found.append(f"{member}: {one!r}, buildah {other!r}")
    return found


def no_match(build: Build, words: str, _all: Sequence[str]) -> bool:
    """buildah fails where the only source is a wildcard that matches nothing; BuildKit does not."""
    wild = any(line.startswith("COPY") and set("*?[") & set(line) for line in build.lines)
    return wild and words == "mkbuild built, buildah failed"


def other_type(build: Build, words: str, _all: Sequence[str]) -> bool:
    """buildah replaces files by directories, and the other way round; BuildKit's COPY fails."""
    refused = words.startswith("mkbuild failed: ") and words.endswith(", buildah built")
    types = "is not a directory" in words or "cannot replace the directory" in words
    return refused and types and any(line.startswith("COPY") for line in build.lines)


def through_a_link(build: Build, _words: str, everything: Sequence[str]) -> bool:
    """buildah replaces a symlink in COPY's destination that BuildKit writes through.

    So there is a path that is a link here, and none there; what it leads to differs as well.
    """
    replaced = any(": 'l " in words and "buildah 'l " not in words for words in everything)
    return replaced and any(line.startswith("COPY") for line in build.lines)


Excuse = Callable[[Build, str, Sequence[str]], bool]
EXCUSES: tuple[Excuse, ...] = (no_match, other_type, through_a_link)


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="mkbuild-fuzz-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def computer(place: Path) -> Computer:
    return Computer(place / "store")


@pytest.fixture(scope="module")
def buildah(place: Path) -> Buildah:
    (place / "buildah").mkdir()
    return Buildah(place / "buildah")


def compare(build: Build, place: Path, computer: Computer, buildah: Buildah) -> list[str]:
    """Build both ways, and return what is not excused."""
    with tempfile.TemporaryDirectory(dir=place) as name:
        context, out = Path(name, "context"), Path(name, "out")
        context.mkdir()
        build.write(context)
        found = disagreements(by_mkbuild(computer, context, out), by_buildah(buildah, context))
    return [words for words in found if not any(excuse(build, words, found) for excuse in EXCUSES)]


def check(build: Build, place: Path, computer: Computer, buildah: Buildah) -> None:
    found = compare(build, place, computer, buildah)
    assert not found, "\n".join([build.dockerfile, repr(dict(build.files)), *found])


@settings(max_examples=8, suppress_health_check=list(HealthCheck), deadline=None)
@given(builds())
def test_a_few(place: Path, computer: Computer, buildah: Buildah, build: Build) -> None:
    check(build, place, computer, buildah)


@pytest.mark.full
@settings(max_examples=500, suppress_health_check=list(HealthCheck), deadline=None)
@given(builds())
def test_many(place: Path, computer: Computer, buildah: Buildah, build: Build) -> None:
    check(build, place, computer, buildah)


@pytest.mark.parametrize(
    ("build", "excuse"),
    [
        (Build(("FROM busybox:stable", "COPY n* /x/"), {}), no_match),
        (
            Build(("FROM busybox:stable", "RUN mkdir -p /w/a", "COPY a /w/"), {"a": (0o644, "x")}),
            other_type,
        ),
        (
            Build(
                (
                    "FROM busybox:stable",
                    "RUN mkdir /w && echo 1 > /w/k && ln -s k /w/a",
                    "COPY a /w/a",
                ),
                {"a": (0o644, "x")},
            ),
            through_a_link,
        ),
    ],
    ids=["no_match", "other_type", "through_a_link"],
)
def test_an_excuse_names_what_buildah_does_otherwise(
    place: Path,
    computer: Computer,
    buildah: Buildah,
    build: Build,
    excuse: Excuse,
) -> None:
    context, out = place / excuse.__name__, place / f"{excuse.__name__}-out"
    context.mkdir()
    build.write(context)
    found = disagreements(by_mkbuild(computer, context, out), by_buildah(buildah, context))
    assert found
    assert all(excuse(build, words, found) for words in found), found
