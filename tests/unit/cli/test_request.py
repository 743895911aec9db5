"""Flags become a request."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from mkbuild.buildfile.target import Output
from mkbuild.cli import build
from mkbuild.cli.common import take_common
from mkbuild.cli.request import is_directory, make_request
from mkbuild.engine.request import BuildRequest, DockerfileInput, WorkspaceInput
from mkbuild.errors import UsageError


def request(*args: str, env: Mapping[str, str] | None = None) -> BuildRequest:
    with click.Context(build.command) as parent:
        context = build.command.make_context("build", list(args), parent=parent)
    params: dict[str, Any] = dict(context.params)
    selection = params.pop("selection")
    return make_request(take_common(params), selection, params, env or {})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MKBUILD_")]:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize("text", [".", "..", "./a", "../a", "/a", "https://x/y.git", "git@x:y"])
def test_directories(text: str) -> None:
    assert is_directory(text)


@pytest.mark.parametrize("text", ["a", "all", "//a/...", "...a", "a...", "@g", "!a", "a/b"])
def test_names(text: str) -> None:
    assert not is_directory(text)


def test_a_workspace(here: Path) -> None:
    made = request(
        "all", "!x", "--set", "a.args.V=1", "--var", "K=V", "-p", "ci", "-j3", "-k", "-f", "B.yaml"
    )
    assert made.input == WorkspaceInput(
        ("all", "!x"),
        file=str(here / "B.yaml"),
        variables={"K": "V"},
        overrides=("a.args.V=1",),
        profiles=("ci",),
    )
    assert made.directory == str(here)
    assert made.behaviour.jobs == 3
    assert made.behaviour.keep_going


def test_a_lone_dockerfile(here: Path) -> None:
    made = request(
        *("-t", "a:1", "-f", "Dockerfile.x", "--build-arg", "A=1", "--build-arg", "FROM_ENV"),
        *("--platform", "linux/amd64,linux/arm64", "--timestamps", "preserve"),
        *("--output", "type=oci,dest=o,tar=false", "--dest", "d.tar", "--compression", "no"),
        *("--replica", "r/a:1", "./app"),
        env={"FROM_ENV": "x"},
    )
    assert made.input == DockerfileInput(
        str(here / "app"),
        dockerfile=str(here / "app" / "Dockerfile.x"),
        tags=("a:1",),
        replicas=("r/a:1",),
    )
    assert made.changes.args == {"A": "1", "FROM_ENV": "x"}
    assert made.changes.platforms == ("linux/amd64", "linux/arm64")
    assert made.changes.timestamps == "preserve"
    assert made.changes.compression == "none"
    assert made.publishing.outputs == (
        Output("oci", str(here / "o"), tar=False),
        Output("docker", str(here / "d.tar")),
    )
    assert made.publishing.replicas == ("r/a:1",)


def test_the_dockerfile_beside_the_shell_wins(here: Path) -> None:
    (here / "Dockerfile.x").touch()
    made = request("-f", "Dockerfile.x", "./app")
    assert isinstance(made.input, DockerfileInput)
    assert made.input.dockerfile == str(here / "Dockerfile.x")


@pytest.mark.parametrize(
    ("args", "push", "registries"),
    [
        (["all"], False, ()),
        (["--push", "all"], True, ()),
        (["all", "--push"], True, ()),
        (["--push=r1", "--push=r2", "all"], True, ("r1", "r2")),
    ],
)
def test_push(args: list[str], push: bool, registries: tuple[str, ...]) -> None:
    made = request(*args)
    assert isinstance(made.input, WorkspaceInput)
    assert made.input.selection == ("all",)
    assert made.publishing.push is push
    assert made.publishing.registries == registries


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["a", "./app"], "cannot be built together"),
        (["./gone"], "no such directory"),
        (["a", "-t", "x"], "--tag is for a lone Dockerfile"),
        (["./app", "--set", "a.b=c"], "--set needs a build file"),
        (["-C", "gone"], "no such directory"),
    ],
)
def test_impossible(args: list[str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        request(*args)


def test_variables(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    monkeypatch.setenv("MKBUILD_JOBS", "7")
    monkeypatch.setenv("MKBUILD_BUILD_ARG", "'A=b c' D=e")
    monkeypatch.setenv("MKBUILD_KEEP_GOING", "1")
    monkeypatch.setenv("MKBUILD_PUSH", "true")
    monkeypatch.setenv("MKBUILD_STORAGE", "s")
    made = request("all")
    assert made.behaviour.jobs == 7
    assert made.behaviour.keep_going
    assert made.changes.args == {"A": "b c", "D": "e"}
    assert made.publishing.push
    assert made.publishing.registries == ()
    assert made.storage == str(here / "s")


def test_flags_beat_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKBUILD_JOBS", "7")
    assert request("-j", "2").behaviour.jobs == 2


def test_unbalanced_quotes_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MKBUILD_LABEL", "'a=b")
    with pytest.raises(click.UsageError, match="MKBUILD_LABEL"):
        request("all")
