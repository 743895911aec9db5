"""What Makisu's users have: its commands, its flags, its acceptance cases."""

import json
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from mkbuild.cli.main import main
from tests.support.computer import Built, Computer, write
from tests.support.machine import find
from tests.support.redis import RedisServer
from tests.support.registry import RealRegistry

pytestmark = pytest.mark.root


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path / "computer")


def inspect(registry: RealRegistry, name: str) -> dict[str, list[dict[str, object]]]:
    target = f"docker://{registry.address}/{name}"
    raw = subprocess.check_output(["skopeo", "inspect", "--tls-verify=false", "--raw", target])
    found: dict[str, list[dict[str, object]]] = json.loads(raw)
    return found


def files_of(computer: Computer, context: Path, *args: str) -> dict[str, tarfile.TarInfo]:
    """Build, and return the image's files."""
    output = context.parent / f"{uuid4().hex}.tar"
    computer.build(context, ".", "-o", f"type=tar,dest={output}", *args)
    with tarfile.open(output) as tar:
        return {member.name.rstrip("/"): member for member in tar}


def text_of(computer: Computer, context: Path, path: str, *args: str) -> str:
    output = context.parent / f"{uuid4().hex}.tar"
    computer.build(context, ".", "-o", f"type=tar,dest={output}", *args)
    with tarfile.open(output) as tar:
        stream = tar.extractfile(path)
        assert stream is not None
        return stream.read().decode()


def layers_of(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        stream = tar.extractfile("manifest.json")
        assert stream is not None
        layers: list[str] = json.load(stream)[0]["Layers"]
        return layers


def dockerfile(tmp_path: Path, text: str, **files: str) -> Path:
    return write(tmp_path / "work", {"Dockerfile": text, **files})


# Commands.


@pytest.mark.registry
def test_push_of_an_archive_pull_and_diff(
    registry: RealRegistry, computer: Computer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = dockerfile(tmp_path, "FROM busybox\nCOPY f /f\nRUN chmod 600 /f && ln /f /g\n", f="one")
    one, two = tmp_path / "one.tar", tmp_path / "two.tar"
    computer.build(work, "-t", "acme/app:1", "--dest", str(one), ".")
    write(work, {"f": "two"})
    computer.build(work, "-t", "acme/app:2", "--dest", str(two), "--compression", "no", ".")
    store = ("--storage", str(computer.store / "mkbuild"))
    scope = uuid4().hex
    name = f"{registry.address}/{scope}/app"
    push = ("push", "-t", f"{scope}/app:1", "--push", registry.address, *store)
    assert main([*push, "--replica", f"{registry.address}/{scope}/copy:x", str(one)]) == 0
    assert main(["push", "-t", f"{name}:2", *store, str(two)]) == 0
    assert inspect(registry, f"{scope}/app:1") == inspect(registry, f"{scope}/copy:x")
    capsys.readouterr()
    assert main(["push", "-t", f"{name}:2", *store, str(two)]) == 0
    pushed = capsys.readouterr().out
    assert main(["pull", *store, f"{name}:2"]) == 0
    assert pushed == capsys.readouterr().out, "the digest, also where nothing moved"

    assert main(["pull", "--extract", str(one), *store, f"{name}:1"]) == 2
    assert f"--extract {one}: it is no directory" in capsys.readouterr().err

    target = tmp_path / "extracted"
    fresh = ("--storage", str(tmp_path / "fresh"))
    assert main(["pull", "--extract", str(target), *fresh, f"{name}:1"]) == 0
    assert (target / "f").read_text() == "one"
    assert (target / "f").stat().st_ino == (target / "g").stat().st_ino
    assert (target / "f").stat().st_mode & 0o777 == 0o600
    assert (target / "bin" / "sh").is_symlink()
    assert "sha256:" in capsys.readouterr().out

    assert main(["diff", *fresh, f"{name}:1", f"{registry.address}/{scope}/copy:x"]) == 0
    assert main(["diff", "--ignore-mod-time", *fresh, f"{name}:1", f"{name}:2"]) == 1
    assert capsys.readouterr().out == "~ /f: content\n"
    assert main(["diff", *fresh, str(one), f"{name}:1"]) == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out.startswith("mkbuild ")


# Flags.


@pytest.mark.registry
def test_push_and_replica(registry: RealRegistry, computer: Computer, tmp_path: Path) -> None:
    work = dockerfile(tmp_path, "FROM busybox\nRUN echo hi > /hi\n")
    scope = uuid4().hex
    replica = f"{registry.address}/{scope}/replica:x"
    built = computer.build(
        work, "-t", f"{scope}/app:1", f"--push={registry.address}", "--replica", replica, "."
    )
    assert {p.name for p in built.published} == {f"{registry.address}/{scope}/app:1", replica}
    alone = computer.build(work, "-t", f"{scope}/app:1", "--replica", f"{replica}y", ".")
    assert [p.name for p in alone.published] == [f"{replica}y"], "the tag itself goes nowhere"


@pytest.mark.registry
def test_registry_config_as_makisu_has_it(
    computer: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = dockerfile(tmp_path, "FROM busybox\nCOPY f /\n", f="x")
    monkeypatch.setenv("SECRET", "wonderland")
    with RealRegistry(tmp_path / "registry", password=True) as registry:
        basic = {"username": "alice", "password": "${SECRET}"}
        settings = {registry.address: {".*": {"retries": 2, "security": {"basic": basic}}}}
        file = tmp_path / "config.yaml"
        file.write_text(json.dumps(settings))
        for number, given in enumerate((json.dumps(settings), str(file))):
            name = f"{registry.address}/app:{number}"
            computer.build(work, "-t", name, "--push", "--registry-config", given, ".")


@contextmanager
def podman_service(directory: Path) -> Iterator[str]:
    """Run podman's API on a socket, with a storage of its own."""
    place = directory / "podman.sock"
    environment = {**os.environ, "TMPDIR": str(directory)}
    command = [
        *("podman", "--root", str(directory / "root"), "--runroot", str(directory / "run")),
        *("--storage-driver", "vfs", "system", "service", "--time", "60", f"unix://{place}"),
    ]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            while not place.is_socket():
                assert process.poll() is None, "podman ended"
                time.sleep(0.02)
            yield f"unix://{place}"
        finally:
            process.terminate()


@pytest.mark.skipif(find("podman") is None, reason="needs podman")
def test_load(computer: Computer, tmp_path: Path) -> None:
    work = dockerfile(tmp_path, "FROM busybox\nRUN echo hi > /hi\n")
    # Podman takes no long paths for its sockets.
    with TemporaryDirectory(prefix="pm", dir="/tmp") as short, podman_service(Path(short)) as place:
        computer.build(work, "-t", "localhost/app:1", "--load", "--docker-host", place, ".")
        command = ["podman", "--url", place, "image", "inspect", "localhost/app:1"]
        (found,) = json.loads(subprocess.check_output(command))
    assert len(found["RootFS"]["Layers"]) == 2


@pytest.mark.parametrize("kind", ["no", "speed", "size", "default"])
def test_compression(computer: Computer, tmp_path: Path, kind: str) -> None:
    work = dockerfile(tmp_path, "FROM busybox\nCOPY f /\n", f="x" * 1000)
    target = tmp_path / "image.tar"
    computer.build(work, "-t", "app", "--dest", str(target), "--compression", kind, ".")
    with tarfile.open(target) as tar:
        stream = tar.extractfile(layers_of(target)[-1])
        assert stream is not None
        assert (stream.read(2) == b"\x1f\x8b") == (kind != "no")


def test_blacklisted_paths_stay_out_of_layers(computer: Computer, tmp_path: Path) -> None:
    work = dockerfile(
        tmp_path, "FROM busybox\nRUN mkdir /cache && echo > /cache/a && echo > /kept\n"
    )
    plain = files_of(computer, work)
    assert {"cache", "cache/a", "kept"} <= plain.keys()
    without = files_of(
        computer, work, "--blacklist", "/cache/", "--blacklist=/kept", "--blacklist=!/kept"
    )
    assert "kept" in without
    assert not {"cache", "cache/a"} & without.keys()


# Its acceptance cases.


def test_layers_are_cut_where_the_dockerfile_says(computer: Computer, tmp_path: Path) -> None:
    work = dockerfile(
        tmp_path,
        "FROM busybox\nRUN echo 1 > /1 #! COMMIT \nRUN echo 2 > /2\nRUN echo 3 > /3 #!commit\n"
        "RUN echo 4 > /4\nRUN echo 5 > /5\n",
    )
    target = tmp_path / "image.tar"
    computer.build(work, "-t", "app", "--dest", str(target), "--commit", "explicit", ".")
    assert len(layers_of(target)) == 1 + 2 + 1
    computer.build(work, "-t", "app", "--dest", str(target), "--commit", "implicit", ".")
    assert len(layers_of(target)) == 1 + 5


CASES = {
    "rm of base files": ("FROM busybox\nRUN rm /bin/ls && [ ! -e /bin/ls ]\n", "!bin/ls"),
    "copy to a symlink": (
        "FROM busybox\nRUN mkdir /real && ln -s /real /link\nCOPY f /link/\n",
        "real/f",
    ),
    "copy from a symlink": (
        "FROM busybox AS b\nRUN mkdir /real && echo x > /real/f && ln -s real /link\n"
        "FROM busybox\nCOPY --from=b /link/f /got\n",
        "got",
    ),
    "globs of the context": ("FROM busybox\nCOPY *.txt /texts/\n", "texts/a.txt"),
    "globs of a stage": (
        "FROM busybox AS b\nRUN touch /x1 /x2\nFROM scratch\nCOPY --from=b /x* /d/\n",
        "d/x2",
    ),
    "copy from a stage by index": (
        "FROM busybox\nRUN echo > /made\nFROM busybox\nCOPY --from=0 /made /got\n",
        "got",
    ),
    "copy from an image": ("FROM scratch\nCOPY --from=busybox /bin/busybox /b\n", "b"),
    "copy of uncommitted files": (
        "FROM busybox AS b\nRUN echo > /a\nRUN mv /a /c\nFROM scratch\nCOPY --from=b /c /c\n",
        "c",
    ),
    "copy of everything": ("FROM busybox AS b\nFROM scratch\nCOPY --from=b / /\n", "bin/sh"),
    "ARG in FROM, ENV in RUN and COPY": (
        "ARG IMAGE=busybox\nFROM ${IMAGE}\nENV WHERE=/here\nRUN mkdir $WHERE\nCOPY f $WHERE/\n",
        "here/f",
    ),
    "USER": (
        "FROM busybox\nRUN mkdir -m 777 /w\nUSER 1000\nRUN echo > /w/f && [ $(id -u) = 1000 ]\n",
        "w/f",
    ),
    "a build stage, then scratch": (
        "FROM busybox AS b\nRUN echo > /f\nFROM scratch\nCOPY --from=b /f /f\n",
        "f",
    ),
    "comments and blanks inside continuations": (
        "FROM busybox\nRUN echo 1 && \\\n# comment\n\n   echo > /f\n",
        "f",
    ),
    "global ARG isolation": (
        'ARG OUTER=outer\nFROM busybox\nRUN [ -z "$OUTER" ] && echo > /f\n',
        "f",
    ),
    "shell-form entrypoint": ("FROM busybox\nCOPY f /\nENTRYPOINT echo $HOME\n", "f"),
}


@pytest.mark.parametrize("name", CASES)
def test_its_dockerfiles(computer: Computer, tmp_path: Path, name: str) -> None:
    text, wanted = CASES[name]
    work = dockerfile(tmp_path, text, f="f", **{"a.txt": "a"})
    flags = ("--commit", "explicit")
    found = files_of(computer, work, *flags)
    assert (wanted.removeprefix("!") in found) != wanted.startswith("!")


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize(
    ("flag", "owner", "mode"),
    [("", 0, 0o750), ("--archive", 1234, 0o750), ("--chown=55:66", 55, 0o750)],
)
def test_the_matrix_of_owners(  # noqa: PLR0913 -- a matrix
    computer: Computer, tmp_path: Path, flag: str, owner: int, mode: int, *, existing: bool
) -> None:
    prepare = "RUN mkdir -m 711 /d\n" if existing else ""
    work = dockerfile(tmp_path, f"FROM busybox\n{prepare}COPY {flag} s /d\n", **{"s/f": "x"})
    for path in (work / "s", work / "s" / "f"):
        os.chown(path, 1234, 1234)
        path.chmod(mode)
    found = files_of(computer, work)
    assert (found["d/f"].uid, found["d/f"].mode) == (owner, mode)
    if flag == "--archive" and not existing:
        assert (found["d"].uid, found["d"].mode) == (owner, mode)
    if existing:
        assert (found["d"].uid, found["d"].mode) == (0, 0o711)


def test_chown_by_name(computer: Computer, tmp_path: Path) -> None:
    work = dockerfile(
        tmp_path,
        "FROM busybox\nRUN echo app:x:77:88::/:/bin/sh >> /etc/passwd\nCOPY --chown=app f /\n",
        f="x",
    )
    found = files_of(computer, work)["f"]
    assert (found.uid, found.gid) == (77, 88)


def test_target_and_build_args(
    computer: Computer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = dockerfile(
        tmp_path,
        "FROM busybox AS one\nARG A\nARG B\nRUN echo $A $B > /f\nFROM scratch\n",
    )
    monkeypatch.setenv("B", "environment")
    arguments = ("--target", "one", "--build-arg", "A=x=y", "--build-arg", "B")
    assert text_of(computer, work, "f", *arguments) == "x=y environment\n"


@pytest.mark.redis
@pytest.mark.registry
def test_the_distributed_cache(redis: RedisServer, registry: RealRegistry, tmp_path: Path) -> None:
    """A machine that lacks what the first had mounted still gets its result."""
    scope = uuid4().hex
    work = dockerfile(tmp_path, f"FROM busybox\nRUN echo {scope} > /made\nCOPY f /f\n", f="x")
    flags = (
        *("-t", f"{scope}/app", f"--push={registry.address}", "--commit", "implicit"),
        *("--redis-cache-addr", redis.url.removeprefix("redis://").removesuffix("/0")),
        *("--redis-cache-ttl", "1h", "--local-cache-ttl", "1h"),
    )

    def build(name: str) -> Built:
        return Computer(tmp_path / name).build(work, *flags, ".")

    first = build("one")
    assert first.warnings == ()
    layer = inspect(registry, f"{scope}/app:latest")["layers"][1]
    second = build("two")
    assert second.warnings == ()
    assert second.ran() == set()
    assert second.digest == first.digest
    output = tmp_path / "layout"
    name = f"docker://{registry.address}/{scope}/app:latest"
    subprocess.run(
        ["skopeo", "copy", "-q", "--src-tls-verify=false", name, f"oci:{output}:x"], check=True
    )
    blob = output / "blobs" / "sha256" / str(layer["digest"]).removeprefix("sha256:")
    with tarfile.open(blob) as tar:
        assert [member.name for member in tar if member.isfile()] == ["made"]
