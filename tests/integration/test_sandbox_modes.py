"""One build in every mode: the same digests, nothing leaks, a kill leaves nothing."""

import json
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, digests, ran, registries
from tests.support.users import become, own

pytestmark = pytest.mark.root

UNPRIVILEGED = ("capsh", "--drop=cap_sys_admin", "--", "-c", 'exec "$0" "$@"')


def start(mode: str, place: Path, mkbuild: Mkbuild) -> tuple[str, ...]:
    """Make a command start in a mode; returns its flags."""
    match mode:
        case "namespace" | "chroot":
            return ("--sandbox", mode)
        case "subuids" | "single-id":
            (place / "account").mkdir()
            mkbuild.prefix = become(place / "account", ranges=mode == "subuids")
            own(place)
        case "no-mounts":
            if not shutil.which("capsh"):
                pytest.skip("needs capsh (libcap2-bin)")
            mkbuild.prefix = UNPRIVILEGED
        case "chroot-no-mounts":
            mkbuild.prefix = UNPRIVILEGED
            return ("--sandbox", "chroot")
        case _:
            raise AssertionError(mode)
    return ()


SMALL = """FROM busybox:stable AS tools
RUN echo '#!/bin/sh' > /tool && chmod 755 /tool && ln /tool /tool2
FROM busybox:stable
ENV GREETING=hello
WORKDIR /srv
COPY page .
RUN --mount=type=cache,target=/cache --mount=from=tools,source=/tool,target=/t \\
    --mount=type=tmpfs,target=/scratch \\
    cat /t > copied && echo $GREETING > /scratch/x && cp /scratch/x greeting && touch /cache/y
RUN mkdir -p a/b && ln -s a/b link && rm page && env | sort > /env
"""
"""Nothing here gives a file away, so that a single id can hold it all."""


def small(place: Path, *, copied: bool) -> Mkbuild:
    context = place / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(SMALL)
    (context / "page").write_text("page\n")
    return Mkbuild(place, place / "store", registries(place, copied=copied))


MODES = {
    "namespace": "sandbox namespace: namespaces and overlayfs work",
    "subuids": "user namespace, ranges: ranges of mkuser",
    "single-id": "user namespace, one-id: no range for mkuser",
    "no-mounts": "user namespace, ranges: root that may map ids but not mount",
    "chroot": "sandbox chroot: chosen",
    "chroot-no-mounts": "sandbox chroot: chosen",
}


def test_all_modes_give_one_digest_and_say_which_they_are(tmp_path: Path) -> None:
    found: dict[str, dict[str, str]] = {}
    for mode, said in MODES.items():
        place = tmp_path / mode
        place.mkdir()
        mkbuild = small(place, copied=True)
        flags = start(mode, place, mkbuild)
        report = place / "metadata.json"
        done = mkbuild.run("build", "./context", "-v", *flags, "--metadata-file", str(report))
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
        assert "single user id" not in done.stderr
        found[mode] = digests(json.loads(report.read_text()))
    assert len({str(found) for found in found.values()}) == 1, found


SWALLOWED = """FROM busybox:stable
RUN echo x > /x && chown 12:34 /x
RUN echo y > /y
"""


@pytest.mark.userns
def test_a_swallowed_chown_is_told_once_and_stays_here(tmp_path: Path) -> None:
    mkbuild = small(tmp_path, copied=True)
    (tmp_path / "context" / "Dockerfile").write_text(SWALLOWED)
    shared = tmp_path / "shared"
    settings = {"remotes": [{"type": "directory", "path": str(shared)}]}
    build = {"version": 1, "cache": settings, "images": {"x": {"context": "context"}}}
    (tmp_path / "BUILD.yaml").write_text(json.dumps(build))
    start("single-id", tmp_path, mkbuild)
    done = mkbuild.run("build", "x")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("changes of owner are answered with success") == 1
    kept = [path for path in shared.rglob("*") if path.is_file()]
    assert kept  # the second step is shared, the first neither as a result nor within a layer
    other = Mkbuild(tmp_path, tmp_path / "store2", mkbuild.registries)
    again = other.run("build", "x", "-v")
    assert again.returncode == 0, again.stderr
    assert "changes of owner" not in again.stderr
    assert "RUN echo x > /x && chown 12:34 /x hit" not in again.stderr


@pytest.mark.userns
def test_what_saw_owners_that_a_single_id_cannot_hold_stays_here_too(tmp_path: Path) -> None:
    mkbuild = small(tmp_path, copied=True)
    shared = tmp_path / "shared"
    settings = {"remotes": [{"type": "directory", "path": str(shared)}]}
    seen = (
        "FROM debian:bookworm-slim\nRUN stat -c %g /etc/shadow > /seen; touch /var/mail/inherited\n"
    )
    unseen = "FROM busybox\nCOPY --chown=5:6 page /\nFROM busybox\nRUN stat -c %g /bin > /seen\n"
    images = {
        name: {"context": "context", "dockerfile_inline": text}
        for name, text in (("seen", seen), ("unseen", unseen))
    }
    build = {"version": 1, "cache": settings, "images": images}
    (tmp_path / "BUILD.yaml").write_text(json.dumps(build))
    start("single-id", tmp_path, mkbuild)
    told = "all files look like root's"
    said = {name: mkbuild.run("build", name).stderr for name in images}
    assert {name: text.count(told) for name, text in said.items()} == {"seen": 1, "unseen": 0}
    other = Mkbuild(tmp_path, tmp_path / "store2", mkbuild.registries)
    ran_again = ran(other.build(*images))
    assert list(ran_again) == ["seen"]
    # at home it is remembered
    assert "hit" in mkbuild.run("build", "seen", "--expect-cached", "-v").stderr


LEAKING = """FROM busybox:stable
RUN env | sort > /env; ls /proc/self/fd > /fds; cat /proc/self/cmdline /proc/1/cmdline > /cmd; \\
    cat /proc/self/mountinfo > /mounts
"""


@pytest.mark.parametrize("mode", ["namespace", "chroot"])
def test_nothing_of_the_environment_leaks(tmp_path: Path, mode: str) -> None:
    canary = "canary-7f3a"
    mkbuild = small(tmp_path, copied=False)
    (tmp_path / "context" / "Dockerfile").write_text(LEAKING)
    mkbuild.environment = {"SECRET_TOKEN": canary, "HOME": f"/{canary}", "LANG": "de_DE.UTF-8"}
    tree = tmp_path / "tree"
    mkbuild.build("./context", "--sandbox", mode, "--output", f"type=local,dest={tree}")
    env = dict(line.split("=", 1) for line in (tree / "env").read_text().splitlines())
    assert set(env) <= {"HOME", "MKBUILD_JOBS", "PATH", "PWD", "SHLVL", "SOURCE_DATE_EPOCH"}
    assert env["HOME"] == "/root"
    for name in ("env", "cmd", "mounts"):
        assert canary not in (tree / name).read_text()
    assert set((tree / "fds").read_text().split()) <= {"0", "1", "2", "3"}


KILLED = """FROM busybox:stable AS a
RUN --mount=type=cache,target=/cache for i in 1 2 3 4 5 6 7 8; do echo $i > /$i; done; sleep 0.{0}
RUN dd if=/dev/zero of=/big bs=1M count=20 2>/dev/null
FROM busybox:stable
COPY --from=a /big /copied
RUN echo {0} > /b; sleep 0.05
"""


def kill_at_random(tmp_path: Path, seed: int, count: int) -> None:
    dice = random.Random(seed)
    mkbuild = small(tmp_path, copied=False)
    for number in range(count):
        (tmp_path / "context" / "Dockerfile").write_text(KILLED.format(number + 10))
        with subprocess.Popen(
            mkbuild.command("build", "./context", "--no-cache"),
            cwd=tmp_path,
            env=mkbuild.env,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process:
            time.sleep(dice.uniform(0.05, 1.2))
            process.send_signal(signal.SIGKILL)
    mkbuild.build("./context")
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    assert until_gone(str(tmp_path)) == []
    store = tmp_path / "store"
    assert [path for path in store.rglob("tmp/*") if not path.name.endswith(".lock")] == []


def until_gone(mark: str) -> list[str]:
    """Return who still holds something of ours; dying takes the kernel a moment."""
    deadline = time.monotonic() + 20
    while (found := holders(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def holders(mark: str) -> list[str]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            text = (place / "mountinfo").read_text() + (place / "cmdline").read_text()
        except (OSError, UnicodeDecodeError):
            continue
        if mark in text:
            found.append(place.name)
    return found


def test_kills_at_random_leave_nothing(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 1, 3)


@pytest.mark.full
def test_fifty_kills_at_random_leave_nothing(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 2, 50)


def test_insecure_and_networks_are_as_asked(tmp_path: Path) -> None:
    mkbuild = small(tmp_path, copied=False)
    dockerfile = tmp_path / "context" / "Dockerfile"
    # mount needs rights that only an insecure RUN has
    dockerfile.write_text(
        "FROM busybox:stable\nRUN --security=insecure mkdir /m && mount -t tmpfs none /m\n"
    )
    refused = mkbuild.run("build", "./context")
    assert refused.returncode == 1
    assert "--allow security.insecure" in refused.stderr
    mkbuild.build("./context", "--allow", "security.insecure")
    dockerfile.write_text("FROM busybox:stable\nRUN ls /sys/class/net > /net\n")
    seen = {}
    for network in ("none", "host"):
        tree = tmp_path / network
        output = f"type=local,dest={tree}"
        mkbuild.build("./context", "--network", network, "--output", output)
        seen[network] = set((tree / "net").read_text().split())
    assert seen["none"] == {"lo"}
    assert seen["host"] == {path.name for path in Path("/sys/class/net").iterdir()}
