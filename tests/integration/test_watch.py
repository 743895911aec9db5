"""mkbuild watch: what is built again after which save, and what is left when it ends."""

import shutil
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.test_interrupt import children, runs
from tests.support.command import Mkbuild, registries
from tests.support.computer import write
from tests.support.screen import Screen

pytestmark = pytest.mark.root

FILES = {
    "BUILD.yaml": "version: 1\ninclude: [more/*/BUILD.yaml]\n"
    "images: {base: {context: base}, app: {context: app}}\n",
    "base/Dockerfile": "FROM busybox:stable\nCOPY tool /tool\n",
    "base/tool": "1\n",
    "base/README": "nobody copies this\n",
    "app/Dockerfile": "FROM base\nCOPY src /src\nCOPY *.txt /\nRUN cat /src/* /tool > /all\n",
    "app/.dockerignore": "src/*.log\n",
    "app/src/a": "a\n",
    "app/one.txt": "1\n",
    "more/old/BUILD.yaml": "version: 1\nimages: {old: {dockerfile_inline: FROM scratch}}\n",
}
DOCKERFILE = FILES["app/Dockerfile"] + "ENV A=1\n"


@pytest.fixture
def mkbuild(tmp_path: Path) -> Iterator[Mkbuild]:
    work = write(tmp_path / "work", FILES)
    yield Mkbuild(work, tmp_path / "store", registries(tmp_path))
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def watch(mkbuild: Mkbuild, *args: str) -> Screen:
    command = mkbuild.command("watch", *args, "--progress", "plain")
    return Screen(command, mkbuild.directory, mkbuild.env, 200)


def replace(path: Path, text: str) -> None:
    """Save as many editors do: write another file, and give it the name."""
    other = path.with_name(f".{path.name}.tmp")
    other.write_text(text)
    other.rename(path)


def test_what_a_save_leads_to(mkbuild: Mkbuild) -> None:
    work = mkbuild.directory
    with watch(mkbuild, "all") as screen:
        shown = screen.wait_for("built: 3 images (")
        assert "app < [stage-0] COPY src /src" in shown
        # what no image reads
        (work / "base/README").write_text("still not copied\n")
        (work / "app/src/b.log").write_text("ignored\n")
        (work / "app/src/.a.swp").write_text("an editor's\n")
        (work / "elsewhere").write_text("nobody's\n")
        (work / "app/src/gone").write_text("for a moment\n")
        (work / "app/src/gone").unlink()
        replace(work / "app/src/a", "aa\n")
        assert screen.wait_for(" → app (").count("changed: ") == 1
        saves: list[tuple[str, Callable[[], object], str]] = [
            ("base/tool", lambda: (work / "base/tool").write_text("2\n"), "base, app"),
            ("app/two.txt", lambda: (work / "app/two.txt").write_text("2\n"), "app"),
            ("app/src/deep", lambda: write(work, {"app/src/deep/er": "x\n"}), "failed"),
            ("app/src/deep", lambda: shutil.rmtree(work / "app/src/deep"), "no image changed"),
            ("app/.dockerignore", lambda: (work / "app/.dockerignore").write_text(""), "app"),
            ("app/src/b.log", lambda: (work / "app/src/b.log").write_text("counts\n"), "app"),
            ("app/Dockerfile", lambda: replace(work / "app/Dockerfile", DOCKERFILE), "app"),
        ]
        for name, save, result in saves:
            save()
            shown = screen.wait_for(f" → {result} (")
            assert shown.count("changed: ") == 1
            assert f"changed: {name}" in shown


def test_build_files(mkbuild: Mkbuild) -> None:
    work = mkbuild.directory
    good = (work / "BUILD.yaml").read_text()
    (work / "BUILD.yaml").write_text("version: 1\nimagess: {}\n")
    with watch(mkbuild) as screen:
        screen.wait_for("unknown key 'imagess'")
        (work / "BUILD.yaml").write_text(good)
        screen.wait_for("changed: BUILD.yaml → base, ")
        # a new build file, in a directory that was not there
        image = {"BUILD.yaml": "version: 1\nimages: {new: {context: .}}\n"}
        image["Dockerfile"] = "FROM scratch\nCOPY file /\n"
        image["file"] = "1\n"
        write(work / "more/new", image)
        screen.wait_for(" → //more/new:new (")
        replace(work / "more/new/file", "2\n")
        screen.wait_for("changed: more/new/file → //more/new:new (")
        (work / "BUILD.yaml").write_text(good + "nonsense\n")
        screen.wait_for("changed: BUILD.yaml → failed (")
        (work / "app/one.txt").write_text("3\n")
        screen.wait_for("changed: app/one.txt → failed (")
        (work / "BUILD.yaml").write_text(good)
        screen.wait_for("changed: BUILD.yaml → app (")
        # a context that goes, and comes back
        (work / "app").rename(work / "away")
        screen.wait_for("→ failed (")
        (work / "away").rename(work / "app")
        screen.wait_for("→ no image changed (")
        (work / "app/one.txt").write_text("4\n")
        screen.wait_for("changed: app/one.txt → app (")


def test_a_save_cancels_the_build_that_has_read_what_is_no_more(mkbuild: Mkbuild) -> None:
    work = mkbuild.directory
    slow = "FROM busybox:stable\nCOPY x /\nRUN echo started && sleep $(cat /x)\n"
    write(work, {"slow/Dockerfile": slow, "slow/x": "1000\n", "slow/other": ""})
    with watch(mkbuild, "./slow") as screen:
        screen.wait_for("slow | started")
        inside = children(screen.process.pid)
        (work / "slow/other").write_text("nobody's\n")
        replace(work / "slow/x", "0\n")
        shown = screen.wait_for("changed: slow/x → slow (")
        assert "failed" not in shown
        assert "interrupted" not in shown
        # neither the first build's processes are left, nor the one that waited and did the second
        assert [pid for pid in inside if runs(pid)] == []


def test_what_it_writes_itself_is_no_save(mkbuild: Mkbuild) -> None:
    work = mkbuild.directory
    (work / "one").mkdir()
    write(work, {"one/Dockerfile": "FROM busybox:stable\nCOPY . /all\n", "one/x": "1\n"})
    flags = ("--output", "type=tar,dest=one/out.tar", "--metadata-file", "one/metadata.json")
    with watch(mkbuild, "./one", *flags) as screen:
        screen.wait_for("built: 1 image (")
        replace(work / "one/x", "2\n")
        screen.wait_for("changed: one/x → one (")
        replace(work / "one/x", "3\n")
        assert screen.wait_for("changed: one/x → one (").count("changed: ") == 1
        with tarfile.open(work / "one/out.tar") as tar:
            found = tar.extractfile("all/x")
            assert found is not None
            assert found.read() == b"3\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end(mkbuild: Mkbuild, number: signal.Signals) -> None:
    slow = "FROM busybox:stable\nRUN echo started; sleep 1000\n"
    write(mkbuild.directory, {"slow/Dockerfile": slow})
    with watch(mkbuild, "./slow") as screen:
        screen.wait_for("slow | started")
        inside = children(screen.process.pid)
        if number == signal.SIGINT:
            screen.type("\x03")
        else:
            screen.process.send_signal(number)
        shown = screen.rest()
        assert screen.process.returncode == 130
        assert shown.endswith("interrupted\r\n")
        assert shown.count("interrupted") == 1
        assert "Traceback" not in shown
    assert [pid for pid in inside if runs(pid)] == []


def test_killed(mkbuild: Mkbuild) -> None:
    write(mkbuild.directory, {"slow/Dockerfile": "FROM busybox:stable\nRUN sleep 1000\n"})
    with watch(mkbuild, "./slow") as screen:
        screen.wait_for("> [stage-0] RUN sleep")
        inside = children(screen.process.pid)
        screen.process.kill()
        screen.process.wait()
        while [pid for pid in inside if runs(pid)]:
            time.sleep(0.01)
