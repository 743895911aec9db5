"""A workspace that another process loads."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mkbuild.context import forking
from mkbuild.engine.files import DiskFiles
from mkbuild.engine.loading import Loading
from mkbuild.engine.request import BuildRequest, DockerfileInput, WorkspaceInput
from mkbuild.engine.workspace import open_workspace
from tests.support.children import Children, children_since

TEXT = "version: 1\nimages: {app: {context: app}, lib: {context: lib}}\n"


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork whatever else there is: other tests' servers have threads."""
    monkeypatch.setattr(forking, "pays", lambda: True)


def _request(directory: Path, text: str = TEXT) -> BuildRequest:
    (directory / "app").mkdir()
    (directory / "lib").mkdir()
    (directory / "BUILD.yaml").write_text(text)
    return BuildRequest(
        directory=str(directory), storage=str(directory / "store"), input=WorkspaceInput(("app",))
    )


@pytest.fixture
def children() -> Children:
    return children_since()


@pytest.mark.usefixtures("two_processors")
def test_it_is_what_would_be_read_here(tmp_path: Path, children: Children) -> None:
    request = _request(tmp_path)
    here, there = DiskFiles(), DiskFiles()
    with Loading() as loading:
        loading.ask(request)
        found = loading.take(there)
    assert found == open_workspace(request, here)
    assert there.looked == here.looked
    assert there.globs == here.globs
    assert not children()


@pytest.mark.usefixtures("two_processors")
def test_what_is_done_meanwhile(tmp_path: Path) -> None:
    called: list[bool] = []
    with Loading() as loading:

        def ask() -> None:
            called.append(True)
            loading.ask(_request(tmp_path))

        # Before it is asked it has no answer.
        assert loading.take(DiskFiles(), ask) is not None
    assert called


@pytest.mark.usefixtures("two_processors")
def test_what_is_wrong_is_left_to_whoever_reads_it_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = DiskFiles()
    with Loading() as loading:
        loading.ask(_request(tmp_path, "version: 1\nimages: {app: {contxt: app}}\n"))
        assert loading.take(files) is None
    assert not files.looked
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("two_processors")
@pytest.mark.parametrize("asked", [True, False])
def test_nobody_takes_it(tmp_path: Path, asked: bool, children: Children) -> None:
    with Loading() as loading:
        assert children()
        if asked:
            loading.ask(_request(tmp_path))
    assert not children()


@pytest.mark.usefixtures("two_processors")
def test_a_process_that_was_killed_answers_nothing(tmp_path: Path, children: Children) -> None:
    with Loading() as loading:
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        loading.ask(_request(tmp_path))
        assert loading.take(DiskFiles()) is None


@pytest.mark.usefixtures("two_processors")
def test_a_lone_dockerfile_needs_no_loading(tmp_path: Path) -> None:
    lone = DockerfileInput(context=str(tmp_path))
    request = BuildRequest(directory=str(tmp_path), storage=str(tmp_path / "store"), input=lone)
    with Loading() as loading:
        loading.ask(request)
        assert loading.take(DiskFiles()) is None


@pytest.fixture(params=["unwanted", "one processor", "a second thread"])
def no_process(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[bool]:
    """Something for which no process is forked; yields whether one is wanted."""
    one = request.param == "one processor"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0} if one else {0, 1})
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    if request.param == "a second thread":
        thread.start()
    yield request.param != "unwanted"
    go.set()
    if thread.ident:
        thread.join()


def test_where_no_process_is_forked(tmp_path: Path, no_process: bool, children: Children) -> None:
    with Loading(wanted=no_process) as loading:
        assert not children()
        loading.ask(_request(tmp_path))
        assert loading.take(DiskFiles()) is None
