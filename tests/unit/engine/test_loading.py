"""A workspace that another process loads."""

import os
import threading
from pathlib import Path

import pytest

from mkbuild.engine.files import DiskFiles
from mkbuild.engine.loading import Loading
from mkbuild.engine.request import BuildRequest, DockerfileInput, WorkspaceInput
from mkbuild.engine.workspace import open_workspace

TEXT = "version: 1\nimages: {app: {context: app}, lib: {context: lib}}\n"


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def _request(directory: Path, text: str = TEXT) -> BuildRequest:
    (directory / "app").mkdir()
    (directory / "lib").mkdir()
    (directory / "BUILD.yaml").write_text(text)
    return BuildRequest(
        directory=str(directory), storage=str(directory / "store"), input=WorkspaceInput(("app",))
    )


def _children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.usefixtures("two_processors")
def test_it_is_what_would_be_read_here(tmp_path: Path) -> None:
    request = _request(tmp_path)
    here, there = DiskFiles(), DiskFiles()
    with Loading(request) as loading:
        found = loading.take(there)
    assert found == open_workspace(request, here)
    assert there.looked == here.looked
    assert there.globs == here.globs
    assert not _children()


@pytest.mark.usefixtures("two_processors")
def test_what_is_wrong_is_left_to_whoever_reads_it_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = DiskFiles()
    with Loading(_request(tmp_path, "version: 1\nimages: {app: {contxt: app}}\n")) as loading:
        assert loading.take(files) is None
    assert not files.looked
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("two_processors")
def test_nobody_takes_it(tmp_path: Path) -> None:
    with Loading(_request(tmp_path)):
        assert _children()
    assert not _children()


def test_where_no_process_is_worth_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    with Loading(_request(tmp_path)) as loading:
        assert not _children()
        assert loading.take(DiskFiles()) is None


@pytest.mark.usefixtures("two_processors")
def test_a_lone_dockerfile_needs_no_loading(tmp_path: Path) -> None:
    lone = DockerfileInput(context=str(tmp_path))
    request = BuildRequest(directory=str(tmp_path), storage=str(tmp_path / "store"), input=lone)
    with Loading(request) as loading:
        assert not _children()
        assert loading.take(DiskFiles()) is None


@pytest.mark.usefixtures("two_processors")
def test_a_process_with_threads_is_not_forked(tmp_path: Path) -> None:
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    thread.start()
    try:
        with Loading(_request(tmp_path)) as loading:
            assert not _children()
            assert loading.take(DiskFiles()) is None
    finally:
        go.set()
        thread.join()
