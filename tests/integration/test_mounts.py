"""RUN --mount end to end: agents, and cache mounts that several commands have at once."""

import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from tests.support.command import Mkbuild, registries
from tests.support.computer import Computer, write
from tests.support.users import become, own

pytestmark = pytest.mark.root
ASK = """FROM debian:bookworm-slim
RUN --mount=type=ssh perl -MIO::Socket::UNIX -e \\
    'print IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK})->getline' > /answer
RUN test ! -e /run/buildkit
"""


def test_a_command_reaches_the_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = write(tmp_path / "work", {"Dockerfile": ASK})
    agent = tmp_path / "agent"
    out = tmp_path / "out"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(agent))
        server.listen()

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"it is the agent\n")

        thread = threading.Thread(target=answer)
        thread.start()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        computer = Computer(tmp_path / "computer", bases=("busybox", "debian"))
        computer.build(work, ".", "--ssh", "default", "--output", f"type=local,dest={out}")
        thread.join()
    assert (out / "answer").read_text() == "it is the agent\n"


SIGNS = """FROM debian:bookworm-slim
RUN useradd -u 1000 dev && mkdir /w && chown dev /w
USER dev
RUN --mount=type=ssh,uid=1000 perl -MIO::Socket::UNIX -e '\\
    $s = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) or die "no agent: $!"; \\
    syswrite $s, pack("NC", 1, 11); sysread $s, $a, 9; print unpack("x4Cx0", $a)' > /w/answer
"""


@pytest.mark.userns
@pytest.mark.parametrize("who", ["root", "subuids", "single-id"])
def test_opensshs_agent_answers_whoever_the_mount_is_for(tmp_path: Path, who: str) -> None:
    """It turns away other users than its own; 12 is its list of keys."""
    work = write(tmp_path / "work", {"Dockerfile": SIGNS})
    tool = Mkbuild(work, tmp_path / "store", registries(tmp_path, copied=who != "root"))
    if who != "root":
        (tmp_path / "account").mkdir()
        tool.prefix = become(tmp_path / "account", ranges=who == "subuids")
        own(tmp_path)
    agent, out = tmp_path / "agent", tmp_path / "out"
    tool.environment = {"SSH_AUTH_SOCK": str(agent)}
    with subprocess.Popen([*tool.prefix, "ssh-agent", "-D", "-a", agent]) as process:
        try:
            while not agent.is_socket():
                assert process.poll() is None
                time.sleep(0.01)
            done = tool.run("build", ".", "--ssh", "default", "--output", f"type=local,dest={out}")
        finally:
            process.terminate()
    assert done.returncode == 0, done.stderr
    assert (out / "w" / "answer").read_text() == "12"


def test_an_agent_that_nobody_gives(tmp_path: Path) -> None:
    text = 'FROM busybox\nRUN --mount=type=ssh{} test -z "$SSH_AUTH_SOCK"\n'
    work = write(tmp_path / "work", {"Dockerfile": text.format("")})
    computer = Computer(tmp_path / "computer")
    computer.build(work, ".")
    write(work, {"Dockerfile": text.format(",required")})
    with pytest.raises(StepError, match="ssh agent 'default' is required"):
        computer.build(work, ".")


MEET = """FROM busybox AS one
RUN --mount=type=cache,target=/c,sharing={sharing} touch /c/one && \\
    for i in $(seq 50); do test -e /c/two && break; sleep 0.1; done; ls /c > /seen
FROM busybox AS two
RUN --mount=type=cache,target=/c,sharing={sharing} touch /c/two && \\
    for i in $(seq 50); do test -e /c/one && break; sleep 0.1; done; ls /c > /seen
FROM scratch
COPY --from=one /seen /1
COPY --from=two /seen /2
"""


def seen(tmp_path: Path, sharing: str) -> list[set[str]]:
    work = write(tmp_path / "work", {"Dockerfile": MEET.format(sharing=sharing)})
    out = tmp_path / "out"
    Computer(tmp_path / "computer").build(
        work, ".", "-j", "2", "--output", f"type=local,dest={out}"
    )
    return [set((out / name).read_text().split()) for name in ("1", "2")]


def test_shared_users_of_a_cache_mount_see_each_other(tmp_path: Path) -> None:
    assert seen(tmp_path, "shared") == [{"one", "two"}, {"one", "two"}]


def test_locked_users_of_a_cache_mount_come_one_after_the_other(tmp_path: Path) -> None:
    assert sorted(map(len, seen(tmp_path, "locked"))) == [1, 2]


def test_private_users_of_a_cache_mount_have_their_own(tmp_path: Path) -> None:
    assert seen(tmp_path, "private") == [{"one"}, {"two"}]


def test_the_version_of_keys_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = write(tmp_path / "work", {"Dockerfile": "FROM busybox\nRUN echo a\n"})
    computer = Computer(tmp_path / "computer")
    computer.build(work, ".")
    assert computer.build(work, "--no-locked", ".").ran() == set()
    monkeypatch.setattr("mkbuild.plan.keys.VERSION", "mkbuild.action.next")
    assert computer.build(work, "--pull", ".").ran() == {"RUN echo a"}
