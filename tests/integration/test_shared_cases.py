"""When a build must hit and when it must miss, against every kind of cache.

One workspace holds an image for each case. A first machine builds it once into each cache; then a
copy of it (another checkout) is changed in one way, and a machine with nothing of its own is asked
what it would run.
"""

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from mkbuild.engine.build import plan
from mkbuild.progress.recorder import Recorder
from tests.support.computer import Computer, write
from tests.support.nginx import NginxServer
from tests.support.redis import RedisServer
from tests.support.registry import RealRegistry

pytestmark = pytest.mark.root

Change = Callable[[Path], object]


def put(name: str, text: str) -> Change:
    return lambda directory: write(directory, {name: text})


def edit(old: str, new: str, name: str = "Dockerfile") -> Change:
    def change(directory: Path) -> None:
        file = directory / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return change


def settings(old: str, new: str) -> Change:
    """Change the build file, which is above the image's directory."""
    return lambda directory: edit(old, new, "BUILD.yaml")(directory.parent)


def same_size_and_time(directory: Path) -> None:
    before = (directory / "f").stat()
    (directory / "f").write_text("F")
    os.utime(directory / "f", ns=(before.st_atime_ns, before.st_mtime_ns))


def relink(directory: Path) -> None:
    write(directory, {"d/g": "f"})
    (directory / "d" / "g").unlink()
    os.link(directory / "d" / "f", directory / "d" / "g")


def resymlink(directory: Path) -> None:
    (directory / "d" / "l").unlink()
    (directory / "d" / "l").symlink_to("elsewhere")


def move_a_byte(directory: Path) -> None:
    write(directory, {"d/f": "f ", "d/g": ""})


def capability(directory: Path) -> None:
    value = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(directory / "d" / "f", "security.capability", value)


@dataclass(frozen=True)
class Case:
    """A Dockerfile (below FROM busybox), a change, and the instructions that must miss."""

    dockerfile: str
    change: Change
    misses: tuple[str, ...] = ()
    more: str = ""
    first: str = "FROM busybox\n"


FILES = {
    "f": "f",
    "d/f": "f",
    "d/g": " ",
    "d/s/x": "x",
    "ignored": "1",
    ".dockerignore": "ignored\n",
}
COPY = "COPY d /d\n"
SEEN = "RUN true\n"

HITS = {
    "nothing": Case(COPY + SEEN, lambda _: None),
    "mtime of a file": Case(COPY, lambda d: os.utime(d / "d" / "f", (1, 1))),
    "mtime of a directory": Case(COPY, lambda d: os.utime(d / "d" / "s", (1, 1))),
    "a file that dockerignore drops": Case("COPY . /c\n", put("ignored", "2")),
    "an edit of dockerignore without effect": Case(
        "COPY d /c\n", put(".dockerignore", "ignored\n# nothing\nnowhere\n")
    ),
    "an undeclared ARG": Case(
        SEEN, settings("UNUSED: '1'", "UNUSED: '2'"), more="args: {UNUSED: '1'}"
    ),
    "a proxy ARG": Case(
        SEEN,
        settings("HTTP_PROXY: 'http://a'", "HTTP_PROXY: 'http://b'"),
        more="args: {HTTP_PROXY: 'http://a'}",
    ),
    "the owner of a source": Case(COPY, lambda d: os.chown(d / "d" / "f", 12, 34)),
    "the value of a secret": Case(
        "RUN --mount=type=secret,id=s cat /run/secrets/s > /dev/null\n",
        put("secret", "another"),
        more="secrets: [{id: s, src: DIRECTORY/secret}]",
    ),
    "a LABEL above": Case("LABEL a=1\n" + COPY + SEEN, edit("a=1", "a=2")),
    "a LABEL below": Case(COPY + SEEN + "LABEL a=1\n", edit("a=1", "a=2")),
    "CMD and EXPOSE": Case(
        'CMD ["a"]\nEXPOSE 1\n' + COPY, edit('CMD ["a"]\nEXPOSE 1', 'CMD ["b"]\nEXPOSE 2')
    ),
    "the name of a stage": Case(COPY, edit("AS one", "AS two"), first="FROM busybox AS one\n"),
}
MISSES = {
    "content of the same size and mtime": Case("COPY f /f\n", same_size_and_time, ("COPY f /f",)),
    "mode of a file": Case(COPY, lambda d: (d / "d" / "f").chmod(0o600), ("COPY d /d",)),
    "mode of a directory": Case(COPY, lambda d: (d / "d" / "s").chmod(0o700), ("COPY d /d",)),
    "an xattr": Case(COPY, lambda d: os.setxattr(d / "d" / "f", "user.a", b"1"), ("COPY d /d",)),
    "a capability": Case(COPY, capability, ("COPY d /d",)),
    "target of a symlink": Case(COPY, resymlink, ("COPY d /d",)),
    "a new empty directory": Case(COPY, lambda d: (d / "d" / "new").mkdir(), ("COPY d /d",)),
    "a deletion": Case(COPY, lambda d: (d / "d" / "g").unlink(), ("COPY d /d",)),
    "hard links": Case("COPY d /e\n", relink, ("COPY d /e",)),
    "a rename that keeps the order": Case(
        COPY, lambda d: (d / "d" / "g").rename(d / "d" / "h"), ("COPY d /d",)
    ),
    "the second source": Case("COPY f d/g /t/\n", put("d/g", "!"), ("COPY f d/g /t/",)),
    "a rename under a wildcard": Case(
        "COPY d/* /t/\n", lambda d: (d / "d" / "g").rename(d / "d" / "h"), ("COPY d/* /t/",)
    ),
    "a byte moved to the next file": Case(COPY, move_a_byte, ("COPY d /d",)),
    "an ARG seen by RUN": Case(
        "ARG A\nRUN true $A\n", settings("A: '1'", "A: '2'"), ("RUN true $A",), "args: {A: '1'}"
    ),
    "an ARG in a destination": Case(
        "ARG A\nCOPY f /$A\n", settings("A: '1'", "A: '2'"), ("COPY f /$A",), "args: {A: '1'}"
    ),
    "chown": Case("COPY --chown=1 f /f\n", edit("=1", "=2"), ("COPY --chown=2 f /f",)),
    "chmod": Case("COPY --chmod=600 f /f\n", edit("600", "700"), ("COPY --chmod=700 f /f",)),
    "USER": Case("USER 1\n" + SEEN, edit("USER 1", "USER 2"), ("RUN true",)),
    "SHELL": Case('SHELL ["sh", "-c"]\n' + SEEN, edit('"-c"', '"-ec"'), ("RUN true",)),
    "WORKDIR": Case("WORKDIR /a\n" + SEEN, edit("/a", "/b"), ("WORKDIR /b", "RUN true")),
    "quotes of ENV": Case(
        'ENV A="x" B="y"\n' + SEEN, edit('A="x" B="y"', 'A="x B=y"'), ("RUN true",)
    ),
    "bytes of another stage": Case(
        "COPY --from=b /f /f\n",
        put("f", "!"),
        ("COPY f /f", "COPY --from=b /f /f"),
        first="FROM busybox AS b\nCOPY f /f\nFROM busybox\n",
    ),
    "a secret that is there no more": Case(
        "RUN --mount=type=secret,id=t true\n",
        settings("secrets: [{id: t, src: DIRECTORY/f}]", ""),
        ("RUN --mount=type=secret,id=t true",),
        more="secrets: [{id: t, src: DIRECTORY/f}]",
    ),
    "the content of a URL": Case("ADD URL/url /url\n", lambda _: None, ("ADD URL/url /url",)),
    "another base": Case(
        "COPY f d/s /base/\n", edit("FROM busybox", "FROM scratch"), ("COPY f d/s /base/",)
    ),
    "the platform": Case(
        COPY,
        settings("linux/amd64", "linux/arm64"),
        ("COPY d /d",),
        "platforms: [linux/amd64]",
        first="FROM scratch\n",
    ),
}
CASES = {**HITS, **MISSES}


def label(name: str) -> str:
    return name.lower().replace(" ", "-")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of files, and the file that changes."""
    directory = write(tmp_path_factory.mktemp("served"), {"url": "1"})
    handler = functools.partial(_Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", directory / "url"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Setting:
    """A cache that a first machine has filled; with ``store`` that machine's own, copied."""

    workspace: Path
    flags: tuple[str, ...] = ()
    store: Path | None = None


def populate(directory: Path, url: str, remotes: str) -> None:
    lines = ["version: 1", f"cache: {{remotes: [{remotes}]}}", "images:"]
    for name, case in CASES.items():
        own = directory / label(name)
        text = (case.first + case.dockerfile).replace("URL", url)
        write(own, {**FILES, "secret": "value", "Dockerfile": text})
        (own / "d" / "l").symlink_to("f")
        more = case.more.replace("DIRECTORY", label(name))
        lines.append(
            f"  {label(name)}: {{context: {label(name)}" + (f", {more}}}" if more else "}")
        )
    write(directory, {"BUILD.yaml": "\n".join([*lines, ""])})


@pytest.fixture(
    scope="module",
    params=[
        "local",
        "directory",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("http", marks=pytest.mark.nginx),
        pytest.param("makisu", marks=pytest.mark.nginx),
        pytest.param("registry", marks=pytest.mark.registry),
    ],
)
def setting(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    url: tuple[str, Path],
) -> Setting:
    directory = tmp_path_factory.mktemp("cases")
    unique = uuid4().hex
    flags: tuple[str, ...] = ()
    match request.param:
        case "local":
            remotes = ""
        case "makisu":
            remotes, server = "", request.getfixturevalue("nginx")
            flags = ("--http-cache-addr", f"{server.url}/{unique}")
        case "redis":
            redis: RedisServer = request.getfixturevalue("redis")
            remotes = f"{{type: redis, url: '{redis.url}', scope: {unique}}}"
        case "http":
            nginx: NginxServer = request.getfixturevalue("nginx")
            remotes = f"{{type: http, url: '{nginx.url}/{unique}'}}"
        case "registry":
            registry: RealRegistry = request.getfixturevalue("registry")
            remotes = f"{{type: registry, ref: '{registry.address}/{unique}'}}"
        case _:
            remotes = f"{{type: directory, path: '{directory}/shared'}}"
    address, served = url
    served.write_text("1")
    populate(directory / "work", address, remotes)
    first = Computer(directory / "first", flags).build(directory / "work", "*")
    assert first.warnings == ()
    assert "ran" in first.steps.values()
    alone = request.param == "local"
    return Setting(directory / "work", flags, directory / "first" if alone else None)


@pytest.mark.parametrize("name", CASES)
def test_case(setting: Setting, name: str, tmp_path: Path, url: tuple[str, Path]) -> None:
    case = CASES[name]
    work = tmp_path / "elsewhere"
    work.mkdir()
    shutil.copy(setting.workspace / "BUILD.yaml", work)
    shutil.copytree(setting.workspace / label(name), work / label(name), symlinks=True)
    text = (work / "BUILD.yaml").read_text()
    header, _, _ = text.partition("images:")
    (own,) = (line for line in text.splitlines() if line.startswith(f"  {label(name)}:"))
    (work / "BUILD.yaml").write_text(f"{header}images:\n{own.replace('DIRECTORY', label(name))}\n")
    directory = work / label(name)
    if case.more:
        _change_with_place(case, directory, label(name))
    else:
        case.change(directory)
    url[1].write_text("2" if "URL" in case.dockerfile else "1")
    computer = Computer(tmp_path / "second", setting.flags)
    if setting.store is not None:
        shutil.copytree(setting.store, computer.store, symlinks=True)
    before = os.umask(0o077)
    try:
        found = plan(computer.request(work, label(name)), Recorder(lambda: 0.0))
    finally:
        os.umask(before)
    missed = {step.instruction for step in found.misses()}
    assert missed == {text.replace("URL", url[0]) for text in case.misses}
    hit = "hit-local" if setting.store is not None else "hit-remote"
    assert {step.status for step in found.steps()} <= {hit, "miss"}


def _change_with_place(case: Case, directory: Path, name: str) -> None:
    """Apply a change of settings, in which DIRECTORY stands for the image's own."""
    build_file = directory.parent / "BUILD.yaml"
    text = build_file.read_text()
    build_file.write_text(text.replace(f"{name}/", "DIRECTORY/"))
    case.change(directory)
    build_file.write_text(build_file.read_text().replace("DIRECTORY/", f"{name}/"))
