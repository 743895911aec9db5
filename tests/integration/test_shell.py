"""mkbuild shell and build -i: what is found in there, on a terminal and without, and what stays."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from tests.integration.test_interrupt import children, runs
from tests.support.command import Mkbuild, registries
from tests.support.computer import write
from tests.support.screen import Screen
from tests.support.users import become, own

pytestmark = pytest.mark.root

DOCKERFILE = """FROM busybox:stable AS build
ARG WHO=nobody
ENV GREETING=hello
WORKDIR /work
RUN echo "joe:x:{uid}:{uid}::/home/joe:/bin/sh" >> /etc/passwd && chown {uid} /work
USER joe
COPY given ./
RUN --mount=type=tmpfs,target=/t --mount=type=secret,id=key,target=/key,mode=0444 \\
    --mount=type=cache,target=/c,mode=0777 \\
    echo $WHO > out && test -e /nowhere
RUN true
FROM scratch
COPY --from=build /work/out /
"""
LOOK = """
echo "$(id -u) $PWD $GREETING $WHO $(cat given) $(cat /key) $(grep -c ' /t ' /proc/mounts)"
touch new /c/kept && ls
"""


@dataclass
class Here(Mkbuild):
    """Runs in this process what needs none of its own, which takes a fifth of the time."""

    capture: pytest.CaptureFixture[str] | None = None
    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    def run(self, *args: str, umask: int = 0o022) -> subprocess.CompletedProcess[str]:
        assert self.capture is not None
        assert umask == 0o022  # as this process has it
        command = self.command(*args)
        words = command[command.index("mkbuild") :]
        self.patch.setattr("sys.argv", words)
        with chdir(self.directory):
            status = main(words[1:])
        out, err = self.capture.readouterr()
        return subprocess.CompletedProcess(command, status, out, err)


@pytest.fixture
def mkbuild(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Here]:
    work = tmp_path / "work"
    work.mkdir()
    write(work, {"one/Dockerfile": DOCKERFILE.format(uid=77), "one/given": "given\n", "key": "k"})
    yield Here(work, tmp_path / "store", registries(tmp_path), capture=capfd, patch=monkeypatch)
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


FLAGS = ("./one", "--secret", "id=key,src=key", "--build-arg", "WHO=me")


@pytest.mark.parametrize("mode", ["namespace", "chroot"])
def test_what_the_failed_step_found_is_found(mkbuild: Here, mode: str) -> None:
    assert mkbuild.run("build", *FLAGS, "--sandbox", mode).returncode == 1
    look = ("shell", "--build-arg", "WHO=me", "-c", LOOK)
    for _ in range(2):  # nothing of the first is there for the second
        done = mkbuild.run(*look)
        assert done.stdout == "77 /work hello me given k 1\ngiven\nnew\n", done.stderr
        assert done.stderr == ""
    other = mkbuild.run("shell", "--build-arg", "WHO=you", "--", "sh", "-c", "ls /c; exit $WHO")
    assert (other.returncode, other.stdout) == (2, "kept\n")
    assert "note: this step failed; what it works on has changed since\n" in other.stderr


@pytest.mark.userns
@pytest.mark.parametrize("ranges", [True, False])
def test_without_root(tmp_path: Path, ranges: bool) -> None:
    work = write(
        tmp_path / "work",
        {"one/Dockerfile": DOCKERFILE.format(uid=77 if ranges else 0), "one/given": "given\n"},
    )
    write(work, {"key": "k"})
    user = tmp_path / "user"
    user.mkdir()
    settings = registries(tmp_path, copied=True)
    own(tmp_path)
    mkbuild = Mkbuild(work, tmp_path / "store", settings, become(user, ranges=ranges))
    assert mkbuild.run("build", *FLAGS).returncode == 1
    done = mkbuild.run("shell", *FLAGS, "-c", LOOK)
    uid = 77 if ranges else 0
    assert done.stdout == f"{uid} /work hello me given k 1\ngiven\nnew\n", done.stderr
    with Screen(mkbuild.command("shell", *FLAGS), work, mkbuild.env) as screen:
        screen.wait_for("$ " if ranges else "# ")
        screen.type("tty; exit 4\n")
        shown = screen.rest()
        assert "/dev/pts/0" in shown
        assert screen.process.returncode == 4, shown


def test_a_shell_on_a_terminal(mkbuild: Here) -> None:
    write(mkbuild.directory, {"two/Dockerfile": "FROM debian:bookworm\nRUN echo hi | cat; false\n"})
    assert mkbuild.run("build", "./two").returncode == 1
    with Screen(mkbuild.command("shell"), mkbuild.directory, mkbuild.env, 72) as screen:
        assert "two, before two/Dockerfile:2 [stage-0]\r\n  RUN echo hi | cat; false\r\n" in (
            screen.wait_for("# ")
        )
        screen.type("tty; stty size; echo $TERM $MKBUILD_STEP\n")
        assert "/dev/pts/0\r\n24 72\r\nxterm /bin/sh -c 'echo hi" in screen.wait_for(
            "\n\x1b[?2004h"
        )
        screen.wait_for("# ")  # keys that come before the prompt may be lost, as everywhere
        screen.type("\x1b[A\x1b[A\n")  # up twice: the step stands in the history
        screen.wait_for('eval "$MKBUILD_STEP"\r\n')
        screen.wait_for("hi\r\n")
        screen.wait_for("# ")
        screen.type("echo status $?; sh -c 'echo runs; exec sleep 1000'\n")
        screen.wait_for("status 1\r\nruns\r\n")
        screen.type("\x03")  # ends the sleep, not the shell
        screen.wait_for("# ")
        screen.resize(30, 100)
        screen.type("stty size; sleep 1000 &\n")
        screen.wait_for("30 100\r\n")
        screen.wait_for("# ")
        screen.type("echo ready; wc -c\n")
        screen.wait_for("ready\r\n")
        screen.type("four\n\x04")  # ends the input of wc, no more
        screen.wait_for("\n5\r\n")
        screen.wait_for("# ")
        screen.type("jobs; exit 3\n")
        assert "Running" in screen.rest()
        assert screen.process.returncode == 3
        assert screen.attributes == screen.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(
    mkbuild: Here, number: signal.Signals
) -> None:
    write(mkbuild.directory, {"two/Dockerfile": "FROM busybox:stable\nRUN false\n"})
    assert mkbuild.run("build", "./two").returncode == 1
    with Screen(mkbuild.command("shell"), mkbuild.directory, mkbuild.env) as screen:
        screen.wait_for("# ")
        inside = children(screen.process.pid)
        assert inside
        screen.process.send_signal(number)
        screen.rest()
        assert screen.process.returncode == 130
        assert screen.attributes == screen.before
    assert [pid for pid in inside if runs(pid)] == []


def test_interactive_builds_open_it_and_fail_all_the_same(mkbuild: Here) -> None:
    files = {
        "BUILD.yaml": "version: 1\nimages: {bad: {context: bad}, good: {context: good}}\n",
        "bad/Dockerfile": "FROM busybox:stable\nCOPY given /x\nRUN --network=none test -e /y\n",
        "bad/given": "",
        "good/Dockerfile": "FROM busybox:stable\nRUN sleep 2; echo good > /good\n",
    }
    write(mkbuild.directory, files)
    command = mkbuild.command("build", "all", "-i", "-j", "2", "-B")
    with Screen(command, mkbuild.directory, mkbuild.env) as screen:
        screen.wait_for("# ")
        screen.type("ls /x /y; touch /y; eval $MKBUILD_STEP && echo it is mended; exit\n")
        screen.wait_for("it is mended\r\n")
        assert " bad/Dockerfile:3:1: RUN --network=none" in screen.rest()
        assert screen.process.returncode == 1
    # the other step was left to finish, and nothing of the shell was kept
    done = mkbuild.run("build", "all", "-k")
    assert done.returncode == 1
    assert "steps: 1 failed, 0 ran, 2 cached" in done.stderr


def test_a_copy_that_failed_has_a_state_before_it(mkbuild: Here) -> None:
    text = "FROM busybox:stable\nENV A=1\nWORKDIR /w\nENV B=2\nCOPY missing /\nRUN true\n"
    write(mkbuild.directory, {"two/Dockerfile": text})
    assert mkbuild.run("build", "./two").returncode == 1
    done = mkbuild.run("shell", "-c", "echo $A $B $PWD ${MKBUILD_STEP:-none}")
    assert (done.returncode, done.stdout) == (0, "1 2 /w none\n"), done.stderr


def test_a_step_that_has_moved_changed_or_gone(mkbuild: Here) -> None:
    text = "FROM busybox:stable\nENV A=1\nRUN test -e /y\n"
    told = {
        text: "",
        text.replace("ENV", "ENV B=2\nENV"): "it has moved: it was at two/Dockerfile:3:1",
        text.replace("/y", "/z"): "it has changed since",
        text.replace("A=1", "A=2"): "what it works on has changed since",
        "FROM busybox:stable\n": "error: the step that failed last is planned no more: "
        "two/Dockerfile:3:1: RUN test",
    }
    write(mkbuild.directory, {"two/Dockerfile": text})
    assert mkbuild.run("build", "./two").returncode == 1
    for changed, note in told.items():
        write(mkbuild.directory, {"two/Dockerfile": changed})
        done = mkbuild.run("shell", "-c", "echo $A")
        assert note in done.stderr
        assert bool(done.stderr) == bool(note)
        assert (done.stdout == "") == note.startswith("error")


def test_any_place_of_a_build(mkbuild: Here) -> None:
    look = ("--", "sh", "-c", "echo $PWD $(id -u) $GREETING; ls /work 2>&1")
    places = {
        ("./one", "--at", "2"): "/ 0\nls: /work: No such file or directory\n",
        ("./one", "--at", "one/Dockerfile:7"): "/work 77 hello\n",
        ("--at", "one/Dockerfile:4", "./one"): "/ 0 hello\nls: /work: No such file or directory\n",
    }
    for place, shown in places.items():
        assert mkbuild.run("shell", *place, *look).stdout == shown, place
    files = {
        "BUILD.yaml": "version: 1\nimages: {a: {context: a}, b: {context: a, target: first}}\n",
        "a/Dockerfile": "FROM busybox:stable AS first\nRUN echo 1 > /f\nFROM first\nRUN touch /g\n",
    }
    write(mkbuild.directory, files)
    assert mkbuild.run("shell", "a", "-c", "cat /f; ls /g").stdout == "1\n/g\n"
    assert mkbuild.run("shell", "a", "--stage", "first", "-c", "ls /f /g").returncode == 1
    assert mkbuild.run("shell", "b", "-c", "ls /g").returncode == 1
    done = mkbuild.run("shell", "--at", "a/Dockerfile:2", "-c", "ls /f")
    assert done.returncode == 2
    assert "a shell is opened in one target, and a, b is what was named" in done.stderr


def test_a_state_without_a_shell(mkbuild: Here) -> None:
    write(mkbuild.directory, {"two/Dockerfile": "FROM scratch\nCOPY Dockerfile /\nCOPY no /\n"})
    with Screen(
        mkbuild.command("shell", "./two", "--at", "3"), mkbuild.directory, mkbuild.env
    ) as s:
        shown = s.rest()
        assert "there is no shell in this state: looked for bash, sh, ash" in shown
        assert s.process.returncode == 1
    done = mkbuild.run("shell", "./two", "--at", "3", "--busybox", "-c", "ls /; id -u")
    assert done.stdout.split() == ["Dockerfile", "dev", "etc", "proc", "sys", "0"]
    for mode in ("namespace", "chroot"):
        command = mkbuild.command("shell", "./two", "--at", "3", "--busybox", "--sandbox", mode)
        with Screen(command, mkbuild.directory, mkbuild.env) as screen:
            screen.wait_for("# ")
            screen.type("tty; exit 5\n")
            assert "/dev/pts/0" in screen.rest()
            assert screen.process.returncode == 5
