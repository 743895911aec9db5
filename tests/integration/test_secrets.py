"""A secret is nowhere but in the RUN that mounts it: whatever becomes of that, in every mode."""

import base64
import gzip
import json
import secrets
import signal
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.command import Mkbuild, registries

pytestmark = pytest.mark.root

MODES = {
    "namespace": ((), ("--sandbox", "namespace")),
    "chroot": ((), ("--sandbox", "chroot")),
    "without mounts": (
        ("capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"'),
        ("--sandbox", "chroot"),
    ),
}
DOCKERFILE = """FROM busybox
RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=TOKEN --mount=type=cache,target=/c \\
    test "$TOKEN" = "$(cat /run/secrets/s)" && wc -c < /run/secrets/s > /size && {command}
"""


class Canary:
    """A value, and all forms in which it could have got somewhere."""

    def __init__(self) -> None:
        self.value = f"{secrets.token_hex(12)}/+ ={secrets.token_hex(12)}"
        raw = self.value.encode()
        # wherever it begins, a run of whole groups of three bytes is encoded alike
        encoded = [base64.b64encode(raw[skip:])[:24] for skip in range(3)]
        self.forms = [
            raw,
            quote(self.value).encode(),
            quote(self.value, safe="").encode(),
            *encoded,
        ]

    def found(self, place: Path) -> list[str]:
        """Return the files below a directory that hold it."""
        return [str(path) for path in place.rglob("*") if path.is_file() and self.among(path)]

    def among(self, path: Path) -> bool:
        try:
            data = path.read_bytes()
        except OSError:  # a process or a temporary file that has gone meanwhile
            return False
        if data[:2] == b"\x1f\x8b":
            try:
                data = gzip.decompress(data)
            except (EOFError, zlib.error):  # cut off by a kill
                data = zlib.decompressobj(31).decompress(data)
        return any(form in data for form in self.forms)


@pytest.fixture
def canary() -> Canary:
    return Canary()


@pytest.fixture(params=MODES)
def mkbuild(request: pytest.FixtureRequest, tmp_path: Path, canary: Canary) -> Mkbuild:
    prefix, _ = MODES[request.param]
    (tmp_path / "work/context").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text(canary.value)
    environment = {"E": canary.value, "XDG_STATE_HOME": str(tmp_path / "work/state")}
    image = {
        "context": "context",
        "secrets": [{"id": "s", "src": str(tmp_path / "outside/secret")}, {"id": "e", "env": "E"}],
    }
    remote = {"type": "directory", "path": str(tmp_path / "work/shared")}
    document = {"version": 1, "images": {"x": image}, "cache": {"remotes": [remote]}}
    (tmp_path / "work/BUILD.yaml").write_text(json.dumps(document))
    settings = registries(tmp_path)
    return Mkbuild(tmp_path / "work", tmp_path / "work/store", settings, prefix, environment)


def arguments(request: pytest.FixtureRequest) -> Iterator[str]:
    _, flags = MODES[request.node.callspec.params["mkbuild"]]
    yield from ("build", "x", "-v", *flags, "--trace", "trace.json")
    yield from ("--metadata-file", "metadata.json", "--output", "type=oci,dest=layout,tar=false")


def write(mkbuild: Mkbuild, command: str) -> None:
    (mkbuild.directory / "context/Dockerfile").write_text(DOCKERFILE.format(command=command))


@pytest.mark.parametrize(("command", "status"), [("true", 0), ("exit 3", 1)])
def test_no_trace_of_a_secret_is_left(
    request: pytest.FixtureRequest, mkbuild: Mkbuild, canary: Canary, command: str, status: int
) -> None:
    write(mkbuild, command)
    done = mkbuild.run(*arguments(request))
    assert done.returncode == status, done.stderr
    assert not any(form in (done.stdout + done.stderr).encode() for form in canary.forms)
    assert canary.found(mkbuild.directory) == []
    assert canary.found(mkbuild.directory.parent) == [
        str(mkbuild.directory.parent / "outside/secret")
    ]
    # what was looked through holds what the step made
    assert (mkbuild.directory / "layout/index.json").exists() == (status == 0)


def test_nor_in_the_process_list_nor_after_kill_9(
    request: pytest.FixtureRequest, mkbuild: Mkbuild, canary: Canary
) -> None:
    write(mkbuild, "echo ready && sleep 1000")
    with subprocess.Popen(
        mkbuild.command(*arguments(request)),
        cwd=mkbuild.directory,
        env=mkbuild.env,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said = [line for line in iter(process.stderr.readline, "x | ready\n") if line]
        shown = [path for path in Path("/proc").glob("[0-9]*/cmdline") if canary.among(path)]
        process.send_signal(signal.SIGKILL)
    assert shown == []
    assert not any(form in "".join(said).encode() for form in canary.forms)
    deadline = time.monotonic() + 20
    while (left := canary.found(mkbuild.directory)) and time.monotonic() < deadline:
        time.sleep(0.05)  # whoever watches over the command takes secrets away
    assert left == []


ESCAPING = """FROM busybox AS other
RUN mkdir -p /d && echo inside > /d/f && ln -s / /rootdir
FROM busybox
RUN --mount=type=cache,id=../../../../evil,target=/c echo x > /c/evil-file
RUN --mount=type=cache,id=/etc,target=/c echo x > /c/evil-file
RUN --mount=type=bind,source=../..,target=/m ls /m > /context
RUN --mount=type=bind,from=other,source=../../d,target=/m cat /m/f > /other
RUN --mount=type=bind,from=other,source=/rootdir,target=/m ls /m/d > /rooted
"""


def test_ids_and_sources_of_mounts_stay_inside(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "context").mkdir(parents=True)
    (work / "context/Dockerfile").write_text(ESCAPING)
    mkbuild = Mkbuild(work, work / "store", registries(tmp_path))
    mkbuild.build("./context", "--output", "type=local,dest=tree")
    made = list(tmp_path.rglob("evil-file"))
    assert len(made) == 2
    assert all(path.is_relative_to(work / "store/mounts") for path in made)
    assert not Path("/etc/evil-file").exists()
    seen = {name: (work / "tree" / name).read_text() for name in ("context", "other", "rooted")}
    assert seen == {"context": "Dockerfile\n", "other": "inside\n", "rooted": "f\n"}


def test_a_required_secret_is_asked_for_and_no_stub_is_left(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "context").mkdir(parents=True)
    (work / "secret").write_text("value")
    (work / "context/Dockerfile").write_text(
        "FROM busybox\n"
        "RUN --mount=type=secret,id=s,required --mount=type=secret,id=s,target=/deep/down \\\n"
        "    stat -c %a:%u /run/secrets/s /deep/down > /modes\n"
    )
    mkbuild = Mkbuild(work, work / "store", registries(tmp_path))
    done = mkbuild.run("build", "./context")
    assert done.returncode == 1
    assert "secret 's' is required, and nobody has given it" in done.stderr
    mkbuild.build("./context", "--secret", "id=s,src=secret", "--output", "type=local,dest=tree")
    assert (work / "tree/modes").read_text() == "400:0\n400:0\n"
    assert not list((work / "tree").rglob("secrets"))
    assert not (work / "tree/deep").exists()
