"""The static image in a container as docker makes it: it builds images by taking over ``/``."""

import json
import os
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries
from tests.support.static import MODIFYFS, Static, static_container

pytestmark = pytest.mark.root

DEBIAN = """\
FROM debian:bookworm-slim AS build
RUN mkdir /made && echo one > /made/file && ln /made/file /made/twin && chown 7:8 /made/file
RUN --mount=type=secret,id=s --mount=type=cache,target=/var/cache/x \\
    rm -r /usr/share/doc && wc -c < /run/secrets/s > /made/size && touch /var/cache/x/y
RUN echo "$(id -u) $(cat /etc/debian_version)" > /etc/who && mkfifo -m 600 /made/fifo
FROM debian:bookworm-slim
COPY --from=build /made /copied
RUN test -e /copied/twin && ! test -e /made && test -d /usr/share/doc && echo two >> /etc/issue
"""
BUSYBOX = """\
FROM busybox AS one
RUN mkdir -p /a/b && echo x > /a/b/c && rm /bin/vi && ls / | grep -vx mkbuild-internal > /listing
FROM busybox
COPY --from=one /a /a
RUN test ! -e /listing && test -e /bin/vi && cat /a/b/c > /d
"""
HOSTILE = {
    "the tool": "RUN rm -rf /mkbuild-internal/lib && mkdir -p /mkbuild-internal/lib",
    "a link above what is kept": "RUN mv /etc /other && ln -s /other /etc\nRUN true",
    "a link to the work directory": (
        "RUN rm -rf /mkbuild-internal/work; ln -s /etc /mkbuild-internal/work\nRUN true"
    ),
    "proc": "RUN umount /proc || mv /proc /elsewhere",
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Return what is mounted into the container at /io."""
    (tmp_path / "outside").mkdir()
    registries(tmp_path / "outside")
    (tmp_path / "secret").write_text("canary")
    return tmp_path


@pytest.fixture
def container(static_bundle: Path, work: Path) -> Iterator[Static]:
    with static_container(static_bundle, work) as made:
        yield made


def outside(work: Path, store: str) -> Mkbuild:
    """Return a command line of this machine's own, on the same contexts."""
    return Mkbuild(work, work / store, work / "outside/registries.json")


def context(work: Path, name: str, text: str) -> None:
    (work / name).mkdir()
    (work / name / "Dockerfile").write_text(text)


def build(container: Static, name: str, *flags: str) -> tuple[int, str]:
    """Build a context in the container; returns the status and what was said."""
    args = ["build", f"/io/{name}", "-f", f"/io/{name}/Dockerfile"]
    args += ["--secret", "id=s,src=/io/secret", "--metadata-file", f"/io/{name}.json"]
    done = container.run(*args, *flags)
    return done.returncode, done.stdout + done.stderr


def digest(report: Path) -> str:
    [target] = json.loads(report.read_bytes()).values()
    found: str = target["containerimage.digest"]
    return found


def test_images_are_those_of_namespace_mode(container: Static, work: Path) -> None:
    tool = outside(work, "store-outside")
    for name, text in (("debian", DEBIAN), ("busybox", BUSYBOX)):
        context(work, name, text)
        status, said = build(container, name, *MODIFYFS)
        assert status == 0, said
        here = work / f"{name}-namespace.json"
        flags = ["--secret", f"id=s,src={work}/secret", "--metadata-file", str(here)]
        done = tool.run("build", f"./{name}", "--sandbox", "namespace", *flags)
        assert done.returncode == 0, done.stderr
        assert digest(work / f"{name}.json") == digest(here)
    assert (container.rootfs / "mkbuild-internal/bin/python3").exists()
    assert (container.rootfs / "a/b/c").read_text() == "x\n"


def test_the_container_has_no_user_namespaces(container: Static, work: Path) -> None:
    context(work, "c", "FROM busybox\nRUN unshare -U true && echo got-one; unshare -m true\n")
    status, said = build(container, "c", *MODIFYFS)
    assert status != 0
    assert "| got-one" not in said
    assert "not permitted" in said


def test_doctor_says_that_it_works(container: Static) -> None:
    done = container.run("doctor")
    assert done.returncode == 0, done.stderr
    assert "modifyfs   yes    nothing: the container around it is the boundary\n" in done.stdout
    assert "chroot     yes *  nothing: the container around it is the boundary\n" in done.stdout
    assert "namespace  no     the machine" in done.stdout


def test_what_is_not_asked_for_is_refused(container: Static, work: Path) -> None:
    context(work, "c", "FROM busybox\nRUN touch /made\n")
    status, said = build(container, "c", "--sandbox", "modifyfs")
    assert status != 0
    assert "needs --modifyfs as well" in said
    assert not (container.rootfs / "bin/busybox").exists()


def test_an_image_that_has_what_the_container_keeps(container: Static, work: Path) -> None:
    context(work, "c", "FROM busybox\nRUN true\nWORKDIR /io\nRUN touch file\n")
    status, said = build(container, "c", *MODIFYFS)
    assert status != 0
    assert "the image has /io, and the container keeps its own there" in said


def test_the_root_is_put_back(container: Static, work: Path) -> None:
    rootfs = container.rootfs
    (rootfs / "own").mkdir()
    (rootfs / "own/file").write_text("mine")
    os.utime(rootfs / "own/file", (1000, 1000))
    context(work, "c", "FROM busybox\nRUN touch /made\n")
    status, said = build(container, "c", *MODIFYFS, "--preserve-root")
    assert status == 0, said
    assert (rootfs / "own/file").read_text() == "mine"
    assert (rootfs / "own/file").stat().st_mtime == 1000
    assert not (rootfs / "made").exists()
    assert not (rootfs / "bin").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_command_fails_and_harms_nobody_outside(
    container: Static, work: Path, name: str
) -> None:
    context(work, "good", "FROM busybox\nRUN echo good > /good\n")
    assert build(container, "good", *MODIFYFS)[0] == 0
    context(work, "bad", f"FROM busybox\n{HOSTILE[name]}\n")
    status, said = build(container, "bad", *MODIFYFS)
    assert status != 0, said
    # the store is sound: what was built is there for another container
    tool = outside(work, "store")
    args = ["build", "./good", "--secret", f"id=s,src={work}/secret", "--expect-cached"]
    done = tool.run(*args)
    assert done.returncode == 0, done.stderr


MARKED = """\
FROM debian:bookworm-slim
RUN mkdir -p /left/out && touch /left/out/x /kept \\
    && perl -e '@a = ("/kept", "user.mark", "canary"); syscall(188, @a, 6, 0) == 0 or die $!' \\
    && env -u _ -u OLDPWD | sort > /environment
"""


def test_attributes_stay_and_what_is_blacklisted_does_not(container: Static, work: Path) -> None:
    context(work, "c", MARKED)
    flags = ("--blacklist", "/left/out")
    status, said = build(container, "c", *MODIFYFS, *flags)
    assert status == 0, said
    assert os.getxattr(container.rootfs / "kept", "user.mark") == b"canary"
    written = (container.rootfs / "environment").read_text()
    names = {line.split("=")[0] for line in written.splitlines()}
    assert names <= {"HOME", "MKBUILD_JOBS", "PATH", "PWD", "SHLVL", "SOURCE_DATE_EPOCH"}
    # namespace mode holds attributes, environment and the blacklist otherwise: one digest for all
    tool, here, tree = outside(work, "store-outside"), work / "namespace.json", work / "tree"
    given = (*flags, "--metadata-file", str(here), "--output", f"type=local,dest={tree}")
    done = tool.run("build", "./c", "--sandbox", "namespace", *given)
    assert done.returncode == 0, done.stderr
    assert digest(work / "c.json") == digest(here)
    assert (tree / "left").is_dir()
    assert not (tree / "left/out").exists()


def test_what_looks_like_a_host_is_taken_over_only_by_force(container: Static, work: Path) -> None:
    kernel = container.rootfs / "boot/vmlinuz-6"
    kernel.parent.mkdir()
    kernel.write_text("a kernel")
    context(work, "c", "FROM busybox\nRUN echo made > /made\n")
    status, said = build(container, "c", *MODIFYFS)
    assert status != 0
    assert "/boot holds vmlinuz-6" in said
    assert kernel.read_text() == "a kernel"
    status, said = build(container, "c", "--sandbox", "modifyfs", "--modifyfs=force")
    assert status == 0, said
    assert (container.rootfs / "made").read_text() == "made\n"


def test_a_host_is_refused(tmp_path: Path) -> None:
    context(tmp_path, "c", "FROM busybox\nRUN touch /made\n")
    tool = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))
    done = tool.run("build", "./c", *MODIFYFS)
    assert done.returncode != 0
    assert "looks like the root of a real machine" in done.stderr
    assert not Path("/made").exists()


KILLED = """\
FROM busybox AS one
RUN --mount=type=secret,id=s --mount=type=cache,target=/cache \\
    mkdir -p /a/b && echo x > /a/b/c && rm /bin/vi && touch /cache/y && sleep 0.3
RUN (sleep 1000 &) ; sleep 0.2; echo z > /z
FROM debian:bookworm-slim
COPY --from=one /a /a
RUN sleep 0.2; echo two >> /etc/issue; rm -rf /usr/share/doc
"""
KILLER = """
kill_at() {{
    : > /io/said
    {command} --no-cache 2> /io/said &
    build=$!
    until grep -q "$1" /io/said; do sleep 0.02; done
    sleep $2
    kill -9 $build
    wait $build
}}
kill_at 'c > .one. RUN --mount' 0.1
kill_at 'c > .one. RUN (sleep' 0.1
kill_at 'c > .stage-1. RUN' 0
kill_at 'c > .stage-1. RUN' 0.4
{command} --metadata-file /io/after.json > /io/last 2>&1 || exit 1
# what is left of the container's processes, this shell apart, and of files
ps -o args | grep '[s]leep 1000'
ls -d /mkbuild-internal/work/tmp/* /run/secrets 2> /io/missing
exit 0
"""


def test_kill_9_leaves_a_container_that_builds(container: Static, work: Path) -> None:
    context(work, "c", KILLED)
    shutil.copy("/bin/busybox", work / "busybox")
    for applet in ("sh", "sleep", "ps", "ls", "grep", "cat"):
        (work / applet).symlink_to("busybox")
    secret = ("--secret", "id=s,src=/io/secret")
    command, env = container.command("build", "/io/c", "-f", "/io/c/Dockerfile", *MODIFYFS, *secret)
    script = KILLER.format(command=shlex.join(command))
    # the shell is the container's first process: docker's marks have to say what this is
    env = [*(line for line in env if not line.startswith("PATH=")), "container=runc", "PATH=/io"]
    done = container.container.run(["/io/sh", "-c", script], env)
    assert (done.returncode, done.stdout) == (0, ""), (work / "last").read_text()
    tool = outside(work, "store-outside")
    here = work / "namespace.json"
    given = ("--secret", f"id=s,src={work}/secret", "--metadata-file", str(here))
    assert tool.run("build", "./c", "--sandbox", "namespace", *given).returncode == 0
    assert digest(work / "after.json") == digest(here)


def test_a_second_build_waits_for_the_first(container: Static, work: Path) -> None:
    shutil.copy("/bin/busybox", work / "busybox")
    for name in ("one", "two"):
        context(work, name, f"FROM busybox\nRUN sleep 1; echo {name} > /name; sleep 1; cat /name\n")
    builds = []
    for name in ("one", "two"):
        args = ("build", f"/io/{name}", "-f", f"/io/{name}/Dockerfile", *MODIFYFS)
        command, env = container.command(*args)
        builds.append(f"{shlex.join(command)} > /io/{name}.said 2>&1 & {name}=$!")
    # what the container's first process finds is replaced: the shell waits with what it has
    script = "\n".join([*builds, "wait $one || exit 1", "wait $two"])
    env = [*env, "container=runc"]
    done = container.container.run(["/io/busybox", "sh", "-c", script], env)
    said = [(work / f"{name}.said").read_text() for name in ("one", "two")]
    assert done.returncode == 0, said
    assert sum("warning: waiting: another mkbuild" in text for text in said) == 1
    for name, text in zip(("one", "two"), said, strict=True):
        assert f"{name} | {name}\n" in text
